import { canonical, formatPosition, type CommandMetadata, type CommandOutcome } from '@millrace/kernel';
import { checkChanges } from './check-changes.js';
import { checkDocument, type Lookup } from './check-documents.js';
import { resource, resourceSubject, type ResourceCommand } from './domain/resource/resource.decider.js';
import type { ResourceApplied } from './domain/resource/resource.events.js';
import { parseDocuments } from './parse-documents.js';
import type { ResourceCatalog } from './resource-catalog.js';
import { viewResources } from './feature-references.js';
import { meaningOf, pinsOf, restsOn } from './pins.js';
import { notThere } from './say.js';
import { isOnDemandSpec, KINDS, type DocumentProblem, type FeatureViewSpec, type Kind, type ResourceDocument } from './resource.js';

export interface AppliedDocument {
  readonly kind: string;
  readonly name: string;
  readonly outcome: 'created' | 'configured' | 'unchanged';
  readonly version: number;
  /** Where the decision is in the log; absent when nothing changed or in a dry run. */
  readonly position?: string;
}

export type ApplyResult =
  | { readonly ok: true; readonly documents: readonly AppliedDocument[] }
  | { readonly ok: false; readonly problems: readonly DocumentProblem[] };

export interface ApplyContext {
  readonly catalog: ResourceCatalog;
  /** Checks a spec against its kind's JSON Schema. */
  readonly checkShape: (kind: string, spec: unknown) => readonly { field: string; message: string }[];
  readonly sha256: (text: string) => string;
  /** Told of every document that would change something, before anything is applied; throws when the caller may not. */
  readonly admit?: (document: AppliedDocument) => void;
  readonly handle: (subject: string, command: ResourceCommand, metadata: CommandMetadata) => Promise<CommandOutcome>;
}

/**
 * Applies a text of resources: everything is checked first and nothing is applied when anything is wrong. Documents are applied in the order in
 * which kinds refer to one another, each as a command of its own; the same text applied again changes nothing, so a
 * request that was cut off is simply sent again.
 */
export async function applyDocuments(text: string, metadata: CommandMetadata, context: ApplyContext, dryRun = false): Promise<ApplyResult> {
  const { documents, problems } = checkDocuments(text, context);
  if (problems.length > 0) return { ok: false, problems };
  const foreseen = await applyAll(documents, context, (document, versions) => Promise.resolve(foresee(document, context, versions)));
  if (dryRun) return { ok: true, documents: foreseen };
  if (context.admit) for (const document of foreseen) if (document.outcome !== 'unchanged') context.admit(document);
  return {
    ok: true,
    documents: await applyAll(documents, context, (document, versions) => applyOne(document, metadata, context, versions)),
  };
}

/** Versions that resources get in this request, by `<Kind>/<name>`. */
type Versions = ReadonlyMap<string, number>;

/**
 * Goes through the kinds in the order in which they refer to one another. What rests on a definition that got a new version, and is not in the request itself,
 * gets a new one too: its values may be others now.
 */
async function applyAll(
  documents: readonly ResourceDocument[],
  { catalog }: ApplyContext,
  apply: (document: ResourceDocument, versions: Versions) => Promise<AppliedDocument>,
): Promise<AppliedDocument[]> {
  const versions = new Map<string, number>();
  const applied: AppliedDocument[] = [];
  const isGiven = new Set(documents.map(({ kind, name }) => `${kind}/${name}`));
  const changed = new Set<string>();
  for (const { kind, isOnDemand } of STEPS) {
    const isOfStep = (document: ResourceDocument): boolean => document.kind === kind && isOnDemandView(document) === isOnDemand;
    const given = documents.filter(isOfStep).sort((a, b) => a.index - b.index);
    const dependents = presentDocuments(catalog, kind).filter(
      (document) =>
        isOfStep(document) &&
        !isGiven.has(`${kind}/${document.name}`) &&
        restsOn(document).some((other) => changed.has(`${other.kind}/${other.name}`)),
    );
    for (const document of [...given, ...dependents]) {
      const before = catalog.get(kind, document.name)?.version;
      const outcome = await apply(document, versions);
      versions.set(`${kind}/${document.name}`, outcome.version);
      if (before !== undefined && before !== outcome.version) changed.add(`${kind}/${document.name}`);
      // A dependent that stays as it was is nothing to tell of.
      if (document.index > 0 || outcome.outcome !== 'unchanged') applied.push(outcome);
    }
  }
  return applied;
}

/** The kinds in their order; of the views those that others are computed from first. */
const STEPS = KINDS.flatMap((kind) => (kind === 'FeatureView' ? [false, true] : [false]).map((isOnDemand) => ({ kind, isOnDemand })));

function isOnDemandView({ kind, spec }: Pick<ResourceDocument, 'kind' | 'spec'>): boolean {
  return kind === 'FeatureView' && isOnDemandSpec(spec as unknown as FeatureViewSpec);
}

/** What is applied now, as it would be applied again. */
function presentDocuments(catalog: ResourceCatalog, kind: Kind): ResourceDocument[] {
  return catalog.list(kind).map(({ name, labels, description, spec }) => {
    return { index: 0, kind, name, labels, description, spec: spec as unknown as ResourceDocument['spec'] };
  });
}

function checkDocuments(
  text: string,
  context: ApplyContext,
): { documents: readonly ResourceDocument[]; problems: readonly DocumentProblem[] } {
  const { documents, problems } = parseDocuments(text);
  const all = [...problems];
  const wellFormed: ResourceDocument[] = [];
  const illFormed = new Set(problems.map(({ resource }) => resource));
  for (const document of documents) {
    const shape = context.checkShape(document.kind, document.spec);
    const resource = `${document.kind}/${document.name}`;
    all.push(...shape.map(({ field, message }) => ({ document: document.index, resource, field, message })));
    if (shape.length === 0) wellFormed.push(document);
    else illFormed.add(resource);
  }
  const lookup: Lookup = (kind, name, version) => {
    if (version !== undefined) return context.catalog.get(kind, name, version)?.spec as never;
    // What it would be is not known, and what it was says nothing of those that are to rest on it.
    if (illFormed.has(`${kind}/${name}`)) return undefined;
    const given = wellFormed.find((document) => document.kind === kind && document.name === name);
    return (given?.spec ?? context.catalog.get(kind, name)?.spec) as never;
  };
  const pinned = (reference: string): ReturnType<typeof viewResources> => viewResources(context.catalog, reference);
  for (const document of wellFormed) {
    const own = checkDocument(document, lookup, pinned);
    all.push(...own);
    if (own.length === 0) all.push(...checkChanges(document, { catalog: context.catalog, documents: wellFormed, lookup, pinned }));
  }
  // The mistake is told where it is: whoever mends it has no other.
  const knockOns = new Set([...illFormed].map((one) => notThere(...(one.split('/') as [string, string]))));
  const own = all.filter(({ message }) => !knockOns.has(message));
  return { documents, problems: own.sort((a, b) => a.document - b.document) };
}

async function applyOne(
  document: ResourceDocument,
  metadata: CommandMetadata,
  context: ApplyContext,
  versions: Versions,
): Promise<AppliedDocument> {
  const { kind, name } = document;
  const before = context.catalog.get(kind, name);
  // One request may hold many commands; each has an id of its own, and the same one when the request is repeated.
  const commandId = `${metadata.commandId}:${kind}/${name}`;
  const outcome = await context.handle(
    resourceSubject(kind, name),
    { type: 'ApplyResource', resource: definitionOf(document, context, versions) },
    { ...metadata, commandId },
  );
  if (outcome.kind === 'accepted') {
    const { version } = outcome.event.data as ResourceApplied;
    return { kind, name, outcome: before ? 'configured' : 'created', version, position: formatPosition(outcome.position) };
  }
  return { kind, name, outcome: 'unchanged', version: context.catalog.get(kind, name)?.version ?? before?.version ?? 0 };
}

function foresee(document: ResourceDocument, context: ApplyContext, versions: Versions): AppliedDocument {
  const { kind, name } = document;
  const before = context.catalog.get(kind, name);
  const definition = definitionOf(document, context, versions);
  // The decision itself, on the version that stands. One that was deleted counts on.
  const last = before ?? context.catalog.versions(kind, name)[0];
  const state = {
    status: before ? ('present' as const) : ('deleted' as const),
    versions: last ? [last as unknown as ResourceApplied] : [],
  };
  const decision = resource.decide({ type: 'ApplyResource', resource: definition }, state, {
    subject: resourceSubject(kind, name),
    now: 0,
  } as never);
  if (decision.kind !== 'accept') return { kind, name, outcome: 'unchanged', version: last?.version ?? 0 };
  return { kind, name, outcome: before ? 'configured' : 'created', version: (decision.event.data as ResourceApplied).version };
}

function definitionOf(document: ResourceDocument, { catalog, sha256 }: ApplyContext, versions: Versions): Omit<ResourceApplied, 'version'> {
  const { kind, name, spec, labels, description } = document;
  const hash = sha256(canonical(meaningOf(kind, spec)));
  const pins = pinsOf(document, {
    versionOf: (other, called) => versions.get(`${other}/${called}`) ?? catalog.get(other, called)?.version,
    specOf: (other, called, version) => catalog.get(other, called, version)?.spec as never,
    before: catalog.get(kind, name)?.pins,
  });
  return { kind, name, spec, labels, description, hash, ...(pins ? { pins } : {}) };
}
