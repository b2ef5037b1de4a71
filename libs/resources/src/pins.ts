import { canonical } from '@millrace/kernel';
import { parseReference } from './feature-references.js';
import type { ResourceCatalog } from './resource-catalog.js';
import {
  isOnDemandSpec,
  KINDS,
  type DeploymentSpec,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type Kind,
  type Pins,
  type ResourceDocument,
  type RolloutSpec,
  type SourceSpec,
} from './resource.js';

/** Fields that say something about a definition and change nothing that it gives. */
const DESCRIPTIVE = ['owner', 'tags'];
/** What is expected of events that are still to come; when rows come, not which. */
const DESCRIPTIVE_OF_SOURCES = ['expectations', 'schedule'];
/** What is told of reads. */
const DESCRIPTIVE_OF_SERVICES = ['readLog'];
const DESCRIPTIVE_OF_FEATURES = ['description', 'pii'];

/** What of a spec says which values come out. Its hash is the definition's: another owner makes no new version. */
export function meaningOf(kind: Kind, spec: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const own = kind === 'Source' ? DESCRIPTIVE_OF_SOURCES : kind === 'FeatureService' ? DESCRIPTIVE_OF_SERVICES : [];
  const meaning = without(spec, [...DESCRIPTIVE, ...own]);
  if (kind !== 'FeatureView' || !Array.isArray(meaning['features'])) return meaning;
  const features = meaning['features'].map((feature) => without(feature as Record<string, unknown>, DESCRIPTIVE_OF_FEATURES));
  return { ...meaning, features };
}

/** Kinds and names a document rests on and whose change changes its values, unless it names their version itself. */
export function restsOn({ kind, spec }: Pick<ResourceDocument, 'kind' | 'spec'>): { kind: Kind; name: string }[] {
  if (kind === 'FeatureView') {
    const view = spec as unknown as FeatureViewSpec;
    if (isOnDemandSpec(view)) return viewsNamed(view.inputs ?? []);
    return [
      { kind: 'Source', name: view.source },
      { kind: 'Entity', name: view.entity },
    ];
  }
  if (kind !== 'FeatureService') return [];
  return viewsNamed((spec as unknown as FeatureServiceSpec).features);
}

function viewsNamed(references: readonly string[]): { kind: Kind; name: string }[] {
  const names = references.map(parseReference).flatMap(({ name, version }) => (version === undefined ? [name] : []));
  return [...new Set(names)].map((name) => ({ kind: 'FeatureView', name }));
}

/** What a document names and cannot do its work without, be it computed from it or not. A name with a version is not meant: versions stay. A stream waits for its deployment. */
function needs(document: Pick<ResourceDocument, 'kind' | 'spec'>): { kind: Kind; name: string }[] {
  switch (document.kind) {
    case 'Deployment': {
      const { featureService, experiment } = document.spec as unknown as DeploymentSpec;
      const service = featureService === undefined || parseReference(featureService).version !== undefined ? [] : [featureService];
      return [
        ...service.map((name) => ({ kind: 'FeatureService' as const, name })),
        ...(experiment === undefined ? [] : [{ kind: 'Experiment' as const, name: experiment }]),
      ];
    }
    case 'Rollout':
      return [{ kind: 'Deployment', name: (document.spec as unknown as RolloutSpec).deployment }];
    default:
      return restsOn(document);
  }
}

/** Resources that need another as it is applied now, `<Kind>/<name>`: without it they could not be computed, or not serve. */
export function usersOf(catalog: Pick<ResourceCatalog, 'list'>, kind: Kind, name: string): string[] {
  return KINDS.flatMap((other) =>
    catalog.list(other).flatMap((resource) => {
      const document = { kind: other, spec: resource.spec as unknown as ResourceDocument['spec'] };
      return needs(document).some((used) => used.kind === kind && used.name === name) ? [`${other}/${resource.name}`] : [];
    }),
  );
}

export interface PinContext {
  /** The version a resource has, or will have once this request is through. */
  readonly versionOf: (kind: Kind, name: string) => number | undefined;
  readonly specOf: (kind: Kind, name: string, version: number) => Readonly<Record<string, unknown>> | undefined;
  /** The pins the definition has now. */
  readonly before: Pins | undefined;
}

/** The versions of what a definition rests on. A source that only has more columns since is no other source: its pin stays. */
export function pinsOf(document: Pick<ResourceDocument, 'kind' | 'spec'>, { versionOf, specOf, before }: PinContext): Pins | undefined {
  const pins: Record<string, number> = {};
  for (const { kind, name } of restsOn(document)) {
    const key = `${kind}/${name}`;
    const now = versionOf(kind, name);
    if (now === undefined) continue;
    const then = before?.[key];
    const [spec, old] = [specOf(kind, name, now), then === undefined ? undefined : specOf(kind, name, then)];
    pins[key] = then !== undefined && kind === 'Source' && spec && old && isSameSource(old, spec) ? then : now;
  }
  return Object.keys(pins).length === 0 ? undefined : pins;
}

function isSameSource(old: Readonly<Record<string, unknown>>, now: Readonly<Record<string, unknown>>): boolean {
  const { schema: oldSchema, ...before } = meaningOf('Source', old) as unknown as SourceSpec;
  const { schema, ...after } = meaningOf('Source', now) as unknown as SourceSpec;
  return canonical(before) === canonical(after) && Object.entries(oldSchema).every(([column, type]) => schema[column] === type);
}

function without(fields: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
