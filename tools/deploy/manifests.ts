import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { Service as KnativeService } from '@kubernetes-models/knative/serving.knative.dev/v1';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service, ServiceAccount } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { observed } from './observed.js';

const MODELS = [
  Deployment,
  StatefulSet,
  Service,
  ServiceAccount,
  PodDisruptionBudget,
  HorizontalPodAutoscaler,
  Ingress,
  ScaledObject,
  KnativeService,
] as const;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Spec;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
}

export interface Container {
  readonly args: readonly [string];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

/** The fields of all kinds that are looked at here; that a kind has them is its schema's business. */
interface Spec {
  readonly maxReplicas: number;
  readonly scaleTargetRef: unknown;
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  readonly metrics: readonly {
    readonly pods: { readonly metric: { readonly name: string }; readonly target: { readonly averageValue: string } };
  }[];
  readonly triggers: readonly { readonly name: string; readonly metadata: { readonly threshold: string; readonly query: string } }[];
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> };
    readonly spec: {
      readonly containers: readonly [Container];
      readonly containerConcurrency: number;
      readonly terminationGracePeriodSeconds: number;
      readonly serviceAccountName: string;
      readonly enableServiceLinks: boolean;
      readonly volumes: readonly { readonly name: string }[];
    };
  };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  readonly rules: readonly { readonly http: { readonly paths: readonly { readonly backend: Backend }[] } }[];
}

interface Backend {
  readonly service: { readonly name: string; readonly port: { readonly name: string } };
}

export const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;

/** What the schema of its kind says against a manifest, and the fields that the schema does not know. */
export function problemsOf(manifest: Manifest): string[] {
  const model = MODELS.find(({ apiVersion, kind }) => apiVersion === manifest.apiVersion && kind === manifest.kind);
  if (!model) return [`no schema of ${manifest.apiVersion} ${manifest.kind}`];
  const { value, unread } = observed(manifest);
  try {
    // Called on what is observed: a model that is made of it would be a copy, for which every field is read.
    (model.prototype as { validate(this: unknown): void }).validate.call(value);
  } catch (error) {
    return [(error as Error).message];
  }
  return unread();
}

/** The documents of a file of manifests. */
export function documentsOf(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((document) => document !== null);
}

/** Long enough for every key. */
const SECRET = 'what-a-secret-holds-0123456789-0123456789';

/** What a process of the container is told by it; `secrets`: what comes from a secret and has to look like something. */
export function environmentOf(container: Container, secrets: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = container.env.filter(({ name }) => name.startsWith('MILLRACE_'));
  return Object.fromEntries(own.map(({ name, value }) => [name, value ?? secrets[name] ?? SECRET]));
}
