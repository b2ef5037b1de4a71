import { canonical, formatPosition, type CommandMetadata, type CommandOutcome } from '@millrace/kernel';
import { checkDocument, type Lookup } from './check-documents.js';
import { resourceSubject, type ResourceCommand } from './domain/resource/resource.decider.js';
import type { ResourceApplied } from './domain/resource/resource.events.js';
import { parseDocuments } from './parse-documents.js';
import type { ResourceCatalog } from './resource-catalog.js';
import { KINDS, type DocumentProblem, type ResourceDocument } from './resource.js';

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
  const ordered = [...documents].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.index - b.index);
  if (!dryRun && context.admit) {
    for (const foreseen of ordered.map((document) => foresee(document, context)))
      if (foreseen.outcome !== 'unchanged') context.admit(foreseen);
  }
  const applied: AppliedDocument[] = [];
  for (const document of ordered) {
    applied.push(dryRun ? foresee(document, context) : await applyOne(document, metadata, context));
  }
  return { ok: true, documents: applied };
}

function checkDocuments(
  text: string,
  context: ApplyContext,
): { documents: readonly ResourceDocument[]; problems: readonly DocumentProblem[] } {
  const { documents, problems } = parseDocuments(text);
  const all = [...problems];
  const wellFormed: ResourceDocument[] = [];
  for (const document of documents) {
    const shape = context.checkShape(document.kind, document.spec);
    const resource = `${document.kind}/${document.name}`;
    all.push(...shape.map(({ field, message }) => ({ document: document.index, resource, field, message })));
    if (shape.length === 0) wellFormed.push(document);
  }
  const lookup: Lookup = (kind, name) => {
    const given = wellFormed.find((document) => document.kind === kind && document.name === name);
    return (given?.spec ?? context.catalog.get(kind, name)?.spec) as never;
  };
  for (const document of wellFormed) all.push(...checkDocument(document, lookup));
  return { documents, problems: all.sort((a, b) => a.document - b.document) };
}

async function applyOne(document: ResourceDocument, metadata: CommandMetadata, context: ApplyContext): Promise<AppliedDocument> {
  const { kind, name } = document;
  const before = context.catalog.get(kind, name);
  // One request may hold many commands; each has an id of its own, and the same one when the request is repeated.
  const commandId = `${metadata.commandId}:${kind}/${name}`;
  const outcome = await context.handle(
    resourceSubject(kind, name),
    { type: 'ApplyResource', resource: definitionOf(document, context) },
    { ...metadata, commandId },
  );
  if (outcome.kind === 'accepted') {
    const { version } = outcome.event.data as ResourceApplied;
    return { kind, name, outcome: before ? 'configured' : 'created', version, position: formatPosition(outcome.position) };
  }
  return { kind, name, outcome: 'unchanged', version: context.catalog.get(kind, name)?.version ?? before?.version ?? 0 };
}

function foresee(document: ResourceDocument, context: ApplyContext): AppliedDocument {
  const { kind, name } = document;
  const before = context.catalog.get(kind, name);
  const { hash, labels, description } = definitionOf(document, context);
  if (!before) return { kind, name, outcome: 'created', version: 1 };
  if (before.hash !== hash) return { kind, name, outcome: 'configured', version: before.version + 1 };
  const isSame = canonical(before.labels) === canonical(labels) && before.description === description;
  return { kind, name, outcome: isSame ? 'unchanged' : 'configured', version: before.version };
}

function definitionOf(document: ResourceDocument, context: ApplyContext): Omit<ResourceApplied, 'version'> {
  const { kind, name, spec, labels, description } = document;
  return { kind, name, spec, labels, description, hash: context.sha256(canonical(spec)) };
}
