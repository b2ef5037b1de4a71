import { compileExpression, parseColumnType } from '@millrace/feature-engine';
import { canonical, isFault } from '@millrace/kernel';
import { checkDocument, type Lookup } from './check-documents.js';
import { usersOf } from './pins.js';
import {
  isOnDemandSpec,
  type DocumentProblem,
  type FeatureViewSpec,
  type Kind,
  type ResourceDocument,
  type SourceSpec,
} from './resource.js';
import type { ResourceCatalog } from './resource-catalog.js';
import { keyColumns, sourceTopic } from './source-definition.js';

export interface ChangeContext {
  readonly catalog: ResourceCatalog;
  /** The documents of the request. */
  readonly documents: readonly ResourceDocument[];
  /** Finds what will be there once the request is through. */
  readonly lookup: Lookup;
  readonly pinned: Parameters<typeof checkDocument>[2];
}

/** What a document that is right in itself would take from what is there already. */
export function checkChanges(document: ResourceDocument, context: ChangeContext): DocumentProblem[] {
  const before = context.catalog.get(document.kind, document.name);
  if (!before) return document.kind === 'Source' ? checkSourceChange(document, context) : [];
  if (canonical(before.spec) === canonical(document.spec)) return [];
  switch (document.kind) {
    case 'Source':
      return [...checkSourceChange(document, context), ...checkReaders(document, context)];
    case 'Entity':
    case 'FeatureView':
      return checkReaders(document, context);
    default:
      return [];
  }
}

/** Views that are computed from it must still be; those that are in the request themselves are checked there. */
function checkReaders(document: ResourceDocument, { catalog, documents, lookup, pinned }: ChangeContext): DocumentProblem[] {
  const isGiven = (name: string): boolean => documents.some((other) => other.kind === 'FeatureView' && other.name === name);
  const present: Lookup = (kind, name, version) => catalog.get(kind, name, version)?.spec as never;
  return readersOf(catalog, document, isGiven).flatMap((name) => {
    const spec = catalog.get('FeatureView', name)?.spec;
    if (!spec || isGiven(name)) return [];
    const reader: ResourceDocument = { ...document, kind: 'FeatureView', name, spec: spec as unknown as ResourceDocument['spec'] };
    const problems = checkDocument(reader, lookup, pinned);
    // What could not be computed before is not this request's doing.
    if (problems.length === 0 || checkDocument(reader, present, pinned).length > 0) return [];
    return problems.map(({ field, message }) =>
      problemOf(
        document,
        'spec',
        `FeatureView ${name} is computed from it and could not be any more: ${field} ${message}; apply both in one request`,
      ),
    );
  });
}

/** Names of the views that rest on it, of a source's or an entity's also those that are computed on demand from them, unless the request has them and tells of its own. */
function readersOf(catalog: ResourceCatalog, { kind, name }: ResourceDocument, isGiven: (view: string) => boolean): string[] {
  const direct = viewsOn(catalog, kind, name);
  if (kind === 'FeatureView') return direct;
  const others = direct.filter((view) => !isGiven(view)).flatMap((view) => viewsOn(catalog, 'FeatureView', view));
  return [...new Set([...direct, ...others])];
}

function viewsOn(catalog: ResourceCatalog, kind: Kind, name: string): string[] {
  return usersOf(catalog, kind, name).flatMap((user) => (user.startsWith('FeatureView/') ? [user.slice('FeatureView/'.length)] : []));
}

/**
 * What is on the source's topic and in its table was put there by its definition, and cannot be brought in line with another. It outlives the definition, so the last one
 * of the topic counts, also of a source that was deleted since or had another topic for a while; of keys each one does.
 */
function checkSourceChange(document: ResourceDocument, { catalog, lookup }: ChangeContext): DocumentProblem[] {
  const { name } = document;
  const now = document.spec as unknown as SourceSpec;
  const topic = sourceTopic(name, now);
  const earlier = catalog.versions('Source', name).flatMap(({ spec }) => (sourceTopic(name, spec) === topic ? [spec] : []));
  const [before] = earlier;
  if (!before) return [];
  const problems: DocumentProblem[] = [];
  const mend = now.topic === undefined ? 'define another source' : 'give it another topic, or define another source';
  const [oldKey, key] = [keyColumns(before), keyColumns(now)];
  // Without a key an entity is looked for in all partitions.
  if (key.length > 0 && key.join() !== oldKey.join()) {
    const was = oldKey.length === 0 ? 'not by a key' : `by ${oldKey.join(', ')}`;
    problems.push(
      problemOf(document, 'spec.key', `cannot change to ${key.join(', ')}: the records on its topic are placed ${was}; ${mend}`),
    );
  }
  if (before.partitions !== undefined && now.partitions !== undefined && before.partitions !== now.partitions)
    problems.push(problemOf(document, 'spec.partitions', `cannot change: its topic has ${before.partitions}; ${mend}`));
  // Its table is sorted by what was its key once, and such a column keeps the type it has there.
  const sorted = new Map(earlier.flatMap((spec) => keyColumns(spec).map((column) => [column, spec.schema[column] as string] as const)));
  for (const [column, type] of new Map([...sorted, ...Object.entries(before.schema)])) {
    const other = now.schema[column];
    if (other === undefined || other === type) continue;
    if (other === `Nullable(${type})` && (key.includes(column) || !sorted.has(column))) continue;
    const users = [
      ...(sorted.has(column) ? [key.includes(column) ? 'its key' : 'what was its key'] : []),
      ...viewsOn(catalog, 'Source', name).flatMap((view) => {
        const spec = lookup('FeatureView', view);
        return spec && reads(spec, before, column, lookup) ? [`FeatureView ${view}`] : [];
      }),
    ];
    if (users.length === 0) continue;
    const message = `cannot change from ${type} to ${other}, as ${users.join(', ')} ${users.length === 1 ? 'rests' : 'rest'} on it: its events have the one; add a column of another name, or ${mend}`;
    problems.push(problemOf(document, `spec.schema.${column}`, message));
  }
  return problems;
}

/** Whether a stored view reads the column: as a join key, in a feature or in a filter. */
function reads(spec: FeatureViewSpec, source: SourceSpec, column: string, lookup: Lookup): boolean {
  if (isOnDemandSpec(spec)) return false;
  if (Object.hasOwn(lookup('Entity', spec.entity)?.joinKeys ?? {}, column)) return true;
  return spec.features.some(
    (feature) => feature.column === column || (feature.filter !== undefined && filterReads(feature.filter, source, column)),
  );
}

function filterReads(filter: string, source: SourceSpec, column: string): boolean {
  const columns = Object.entries(source.schema).flatMap(([name, text]) => {
    const type = parseColumnType(text);
    return type ? [{ name, type }] : [];
  });
  try {
    return compileExpression(filter, columns).columns.some((index) => columns[index]?.name === column);
  } catch (error) {
    if (!isFault(error)) throw error;
    // Of columns that are only added now.
    return false;
  }
}

function problemOf({ index, kind, name }: ResourceDocument, field: string, message: string): DocumentProblem {
  return { document: index, resource: `${kind}/${name}`, field, message };
}
