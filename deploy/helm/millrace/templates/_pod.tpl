{{- define "millrace.secretEnv" -}}
- name: {{ .name }}
  valueFrom: { secretKeyRef: { name: {{ .secret | quote }}, key: {{ .key | quote }} } }
{{ end }}

{{- /* What every process is told, the router too. */}}
{{- define "millrace.commonEnv" -}}
{{- $v := .root.Values -}}
- { name: MILLRACE_PORT, value: '8080' }
- { name: MILLRACE_AUTH, value: {{ $v.auth.mode | quote }} }
- { name: MILLRACE_METRICS_AUTH, value: {{ $v.auth.metrics | quote }} }
- { name: MILLRACE_DRAIN, value: {{ printf "%ds" (int $v.shutdown.drainSeconds) }} }
- { name: MILLRACE_SHUTDOWN_DEADLINE, value: {{ printf "%ds" (int $v.shutdown.deadlineSeconds) }} }
{{- with $v.pathPrefix }}
- { name: MILLRACE_PATH_PREFIX, value: {{ . | quote }} }
{{- end }}
{{- range $name, $value := merge (dict) (.env | default dict) $v.env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What the services are told, together or apart. */}}
{{- define "millrace.serviceEnv" -}}
{{- $v := .root.Values -}}
- { name: MILLRACE_WORKSPACE, value: {{ $v.auth.workspace | quote }} }
{{ with $v.auth.adminKey }}{{ if .existingSecret }}{{ include "millrace.secretEnv" (dict "name" "MILLRACE_ADMIN_KEY" "secret" .existingSecret "key" .key) }}{{ end }}{{ end }}
{{- with $v.auth.oidc }}
{{- range $name, $value := dict "ISSUER" .issuer "AUDIENCE" .audience "JWKS_URL" .jwksUrl "ROLES_CLAIM" .rolesClaim "ACTOR_CLAIM" .actorClaim }}
{{- if $value }}
- { name: MILLRACE_OIDC_{{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- if eq $v.mode "distributed" }}
- { name: MILLRACE_KAFKA_BROKERS, value: {{ $v.kafka.brokers | quote }} }
{{- if $v.kafka.replication }}
- { name: MILLRACE_KAFKA_REPLICATION, value: {{ $v.kafka.replication | quote }} }
{{- end }}
{{- with $v.kafka.tls }}
{{- if .enabled }}
- { name: MILLRACE_KAFKA_TLS, value: 'true' }
{{- if .existingSecret }}
{{- if .caKey }}
- { name: MILLRACE_KAFKA_TLS_CA, value: {{ printf "/etc/millrace/kafka/%s" .caKey | quote }} }
{{- end }}
{{- if .certKey }}
- { name: MILLRACE_KAFKA_TLS_CERT, value: {{ printf "/etc/millrace/kafka/%s" .certKey | quote }} }
- { name: MILLRACE_KAFKA_TLS_KEY, value: {{ printf "/etc/millrace/kafka/%s" .keyKey | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.kafka.sasl }}
{{- if .mechanism }}
- { name: MILLRACE_KAFKA_SASL_MECHANISM, value: {{ .mechanism | quote }} }
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_KAFKA_SASL_USERNAME" "secret" .existingSecret "key" .usernameKey) -}}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_KAFKA_SASL_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
{{- end }}
{{- end }}
{{- if $v.redis.existingSecret }}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_REDIS_URL" "secret" $v.redis.existingSecret "key" $v.redis.key) }}
{{- else }}
- { name: MILLRACE_REDIS_URL, value: {{ $v.redis.url | quote }} }
{{- end }}
- { name: MILLRACE_CLICKHOUSE_URL, value: {{ $v.clickhouse.url | quote }} }
- { name: MILLRACE_CLICKHOUSE_USER, value: {{ $v.clickhouse.user | quote }} }
{{- with $v.clickhouse }}
{{- if .existingSecret }}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_CLICKHOUSE_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $v.artifacts.url }}
- { name: MILLRACE_ARTIFACTS, value: {{ $v.artifacts.url | quote }} }
{{- end }}
{{- if hasPrefix "s3:" $v.artifacts.url }}
{{- with $v.artifacts.s3 }}
{{- if .endpoint }}
- { name: MILLRACE_S3_ENDPOINT, value: {{ .endpoint | quote }} }
{{- end }}
- { name: MILLRACE_S3_REGION, value: {{ .region | quote }} }
- { name: MILLRACE_S3_PATH_STYLE, value: {{ .pathStyle | quote }} }
{{- if .existingSecret }}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_S3_ACCESS_KEY_ID" "secret" .existingSecret "key" .accessKeyIdKey) -}}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_S3_SECRET_ACCESS_KEY" "secret" .existingSecret "key" .secretAccessKeyKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.sealing }}
{{- if .existingSecret }}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_REGISTRY_WEBHOOK_KEY" "secret" .existingSecret "key" .webhookKey) -}}
{{ include "millrace.secretEnv" (dict "name" "MILLRACE_TRACKING_GATEWAY_KEY" "secret" .existingSecret "key" .gatewayKey) }}
{{- end }}
{{- end }}
{{- if $v.signing.existingSecret }}
- { name: MILLRACE_SIGNING_KEY, value: {{ printf "/etc/millrace/signing/%s" $v.signing.key | quote }} }
{{- end }}
{{- end }}

{{- /*
A pod of one process. `component`, `script`: what it is and what it runs. `env`: variables of its own. `serves`: its ports beside HTTP, by name.
Its folder is on the claim called `claim`, or with `scratch` goes with the pod; without either the set that it is of has claims of its own.
`spread`: over nodes. `router`: it is told where the services are and nothing of the stores, and has no folder.
*/}}
{{- define "millrace.pod" -}}
{{- $v := .root.Values -}}
metadata:
  labels:
    {{- include "millrace.labels" . | nindent 4 }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $v.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "millrace.serviceAccount" .root }}
  automountServiceAccountToken: false
  # Kubernetes would tell pods of our own services in variables called MILLRACE_..., and what a process does not know refuses its start.
  enableServiceLinks: false
  # preStop, then MILLRACE_DRAIN, then MILLRACE_SHUTDOWN_DEADLINE, and a few seconds.
  terminationGracePeriodSeconds: {{ add $v.shutdown.preStopSeconds $v.shutdown.drainSeconds $v.shutdown.deadlineSeconds 5 }}
  securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: { type: RuntimeDefault } }
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "millrace.selector" . | nindent 10 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ printf "%s:%s" $v.image.repository ($v.image.tag | default .root.Chart.AppVersion) | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [{{ .script }}]
      ports:
        - { name: http, containerPort: 8080 }
        {{- range $name, $port := .serves }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
      env:
        {{- include "millrace.commonEnv" . | nindent 8 }}
        {{- if .router }}
        {{- include "millrace.routerEnv" .root | nindent 8 }}
        {{- else }}
        {{- include "millrace.serviceEnv" . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      # Until the log is folded and the models are loaded; then liveness takes over.
      startupProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 150
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 3
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      lifecycle:
        # Balancers learn that the pod goes away while it is still as ready as before.
        preStop: { sleep: { seconds: {{ $v.shutdown.preStopSeconds }} } }
      securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- if not .router }}
        - { name: data, mountPath: /data }
        {{- if $v.artifacts.existingClaim }}
        - { name: artifacts, mountPath: {{ trimPrefix "file://" $v.artifacts.url }} }
        {{- end }}
        {{- if and $v.kafka.tls.enabled $v.kafka.tls.existingSecret }}
        - { name: kafka-tls, mountPath: /etc/millrace/kafka, readOnly: true }
        {{- end }}
        {{- if $v.signing.existingSecret }}
        - { name: signing, mountPath: /etc/millrace/signing, readOnly: true }
        {{- end }}
        {{- end }}
  volumes:
    - { name: tmp, emptyDir: {} }
    {{- if not .router }}
    {{- with .claim }}
    - { name: data, persistentVolumeClaim: { claimName: {{ . }} } }
    {{- end }}
    {{- if .scratch }}
    - { name: data, emptyDir: {} }
    {{- end }}
    {{- with $v.artifacts.existingClaim }}
    - { name: artifacts, persistentVolumeClaim: { claimName: {{ . }} } }
    {{- end }}
    {{- if and $v.kafka.tls.enabled $v.kafka.tls.existingSecret }}
    - { name: kafka-tls, secret: { secretName: {{ $v.kafka.tls.existingSecret }}, defaultMode: 0440 } }
    {{- end }}
    {{- if $v.signing.existingSecret }}
    - { name: signing, secret: { secretName: {{ $v.signing.existingSecret }}, defaultMode: 0440 } }
    {{- end }}
    {{- end }}
{{- end }}

{{- define "millrace.routerEnv" -}}
{{- $name := include "millrace.name" . -}}
{{- range $service, $_ := .Values.services }}
- { name: MILLRACE_{{ upper $service }}_URL, value: {{ printf "http://%s-%s:8080" $name $service | quote }} }
{{- end }}
{{- end }}

{{- /* Claims of a StatefulSet for the folder of each of its pods. */}}
{{- define "millrace.claims" -}}
- metadata:
    name: data
    labels:
      {{- include "millrace.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .persistence.storageClass }}
    storageClassName: {{ ternary "" . (eq . "-") | quote }}
    {{- end }}
    resources: { requests: { storage: {{ .persistence.size }} } }
{{- end }}
