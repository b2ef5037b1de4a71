{{- /* The release's name, with the chart's unless it is in it already. */}}
{{- define "millrace.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{- define "millrace.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "millrace.labels" -}}
{{ include "millrace.selector" . }}
app.kubernetes.io/part-of: millrace
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "millrace.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "millrace.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- /* Refuses what cannot run, by the name of the value and what to do. */}}
{{- define "millrace.check" -}}
{{- $v := .Values }}
{{- if eq $v.mode "distributed" }}
{{- if not $v.kafka.brokers }}{{ fail "kafka.brokers: services apart share a log; name the brokers, host:port separated by commas, or set mode=embedded" }}{{ end }}
{{- if not (or $v.redis.url $v.redis.existingSecret) }}{{ fail "redis.url: services apart share an online store; set redis.url, or redis.existingSecret where the URL holds a password" }}{{ end }}
{{- if not $v.clickhouse.url }}{{ fail "clickhouse.url: services apart share an offline store; set it, http://host:8123" }}{{ end }}
{{- if not $v.artifacts.url }}{{ fail "artifacts.url: services apart share files; set s3://bucket/prefix, or file:///artifacts and artifacts.existingClaim" }}{{ end }}
{{- else }}
{{- if or $v.kafka.brokers $v.redis.url $v.redis.existingSecret $v.clickhouse.url }}{{ fail "mode: kafka, redis and clickhouse are for mode=distributed; an embedded process has its own log and stores. Set mode=distributed, or leave them empty" }}{{ end }}
{{- if ne $v.autoscaling.kind "none" }}{{ fail "autoscaling.kind: an embedded process is one pod; set mode=distributed, or autoscaling.kind=none" }}{{ end }}
{{- end }}
{{- if and (hasPrefix "file:" $v.artifacts.url) (not $v.artifacts.existingClaim) }}{{ fail "artifacts.existingClaim: artifacts.url is a folder; name the claim that is mounted there, or set s3://bucket/prefix" }}{{ end }}
{{- if and $v.artifacts.existingClaim (not (hasPrefix "file:///" $v.artifacts.url)) }}{{ fail "artifacts.url: artifacts.existingClaim is mounted where it says; set file:///artifacts" }}{{ end }}
{{- if and $v.kafka.sasl.mechanism (not $v.kafka.sasl.existingSecret) }}{{ fail "kafka.sasl.existingSecret: kafka.sasl.mechanism is set; name the secret that holds the user's name and password" }}{{ end }}
{{- if and (or $v.kafka.tls.certKey $v.kafka.tls.keyKey) (not (and $v.kafka.tls.certKey $v.kafka.tls.keyKey)) }}{{ fail "kafka.tls: certKey and keyKey belong together; set both or neither" }}{{ end }}
{{- if and $v.kafka.tls.certKey (not $v.kafka.tls.existingSecret) }}{{ fail "kafka.tls.existingSecret: kafka.tls.certKey names a file of it; name the secret" }}{{ end }}
{{- $oidc := $v.auth.oidc }}
{{- if and (or $oidc.issuer $oidc.audience $oidc.jwksUrl) (not (and $oidc.issuer $oidc.audience $oidc.jwksUrl)) }}{{ fail "auth.oidc: issuer, audience and jwksUrl belong together; set all three or none" }}{{ end }}
{{- range $service, $own := dict "env" $v.env "tracking" $v.services.tracking.env "registry" $v.services.registry.env "features" $v.services.features.env "inference" $v.services.inference.env "experimentation" $v.services.experimentation.env }}
{{- range $name, $_ := $own }}
{{- if regexMatch "^MILLRACE_(PORT|GRPC_PORT|CLICKHOUSE_PORT|HOST|DATA_DIR|AUTH|METRICS_AUTH|ADMIN_KEY|WORKSPACE|DRAIN|SHUTDOWN_DEADLINE|PATH_PREFIX|OIDC_.*|KAFKA_.*|REDIS_URL|CLICKHOUSE_(URL|USER|PASSWORD)|ARTIFACTS|S3_.*|SIGNING_KEY|(TRACKING|REGISTRY|FEATURES|INFERENCE|EXPERIMENTATION)_URL)$" $name }}{{ fail (printf "%s.%s: the chart sets it from a value of its own; see values.yaml" (ternary "env" (printf "services.%s.env" $service) (eq $service "env")) $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
