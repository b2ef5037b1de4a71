import type { SourceSpec } from './resource.js';

/** The ways a source may get its events; a spec has exactly one. */
export const SOURCE_ORIGINS = ['topic', 'query', 'table', 'files', 'push'] as const;
/** Those whose rows are materialized. */
const BATCH_ORIGINS = ['query', 'table', 'files'] as const;

/** Column that rows without an `eventId` get. */
export const COMPUTED_ID = 'event_id';
const OWN_TOPICS = 'millrace.features.sources.';

/** The producers' topic, or the source's own. */
export function sourceTopic(name: string, spec: SourceSpec): string {
  return spec.topic ?? `${OWN_TOPICS}${name}`;
}

/** Whether the source's rows are materialized, from a query, a table or files. */
export function isBatchSource(spec: SourceSpec): boolean {
  return BATCH_ORIGINS.some((origin) => spec[origin] !== undefined);
}

/** Whether an event's id is made from its key and event time. */
export function hasComputedId(spec: SourceSpec): boolean {
  return isBatchSource(spec) && spec.eventId === undefined;
}

/**
 * A source as the engine takes it: whole, so that a field it gains reaches whoever compiles it. Rows whose id is computed have it in a
 * column like any other, so nothing that reads events need know of it.
 */
export function sourceDefinition(
  name: string,
  spec: SourceSpec,
): Omit<SourceSpec, 'key' | 'topic'> & { readonly name: string; readonly topic: string; readonly key: readonly string[] } {
  const definition = { name, ...spec, topic: sourceTopic(name, spec), key: keyColumns(spec) };
  return hasComputedId(spec) ? { ...definition, eventId: COMPUTED_ID, schema: { ...spec.schema, [COMPUTED_ID]: 'String' } } : definition;
}

export function keyColumns(spec: SourceSpec): readonly string[] {
  if (spec.key === undefined) return [];
  return typeof spec.key === 'string' ? [spec.key] : spec.key;
}
