import { compileSource, type SourceFormat, type SourcePlan } from '@millrace/feature-engine';
import { sourceDefinition, type Resource, type ResourceCatalog, type StreamingInferenceSpec } from '@millrace/resources';

/** A StreamingInference with its source, ready to be run. */
export interface StreamPlan {
  readonly name: string;
  readonly version: number;
  readonly deployment: string;
  readonly source: SourcePlan;
  readonly format: SourceFormat;
  readonly outputTopic: string;
  /** Input of the request -> index of the source's column. */
  readonly inputs: ReadonlyMap<string, number>;
  /** Indexes of the source's columns that an output has as well. */
  readonly columns: readonly number[];
  /** Index of the column that experiments and rollouts assign by; absent: as for any request. */
  readonly unit: number | undefined;
  /** Of the model; all when absent. */
  readonly outputs: readonly string[] | undefined;
  readonly isAsOfEvent: boolean;
  readonly start: 'earliest' | 'latest';
  readonly generation: number;
  readonly maxBatchRecords: number;
  readonly maxInFlight: number;
  /** Two plans of one fingerprint do the same. */
  readonly fingerprint: string;
}

export const DEFAULT_BATCH_RECORDS = 256;
export const DEFAULT_IN_FLIGHT = 512;

/** The plan of a stream, or why it cannot be run as the resources are now. */
export function planStream(
  { name, version, spec }: Resource<'StreamingInference'>,
  catalog: Pick<ResourceCatalog, 'get'>,
): { readonly plan: StreamPlan } | { readonly waitsFor: string } {
  const found = catalog.get('Source', spec.source);
  if (!found) return { waitsFor: `Source ${spec.source} is not there; apply it` };
  const source = compileSource(sourceDefinition(spec.source, found.spec));
  const missing = namedColumns(spec).find((column) => !source.columnIndex.has(column));
  if (missing !== undefined) return { waitsFor: `Source ${spec.source} has no column ${missing} any more; name another in the stream` };
  const indexOf = (column: string): number => source.columnIndex.get(column) as number;
  const inputs = new Map(source.columns.map((column, index) => [column.name, index]));
  for (const [input, column] of Object.entries(spec.inputs ?? {})) inputs.set(input, indexOf(column));
  return {
    plan: {
      ...{ name, version, deployment: spec.deployment, source, inputs },
      format: found.spec.format ?? 'json',
      outputTopic: spec.output.topic,
      columns: spec.output.columns?.map(indexOf) ?? identifying(source),
      unit: spec.unit === undefined ? undefined : indexOf(spec.unit),
      outputs: spec.output.outputs,
      isAsOfEvent: (spec.featureTime ?? 'eventTime') === 'eventTime',
      start: spec.start ?? 'earliest',
      generation: spec.generation ?? 1,
      maxBatchRecords: spec.maxBatchRecords ?? DEFAULT_BATCH_RECORDS,
      maxInFlight: spec.maxInFlight ?? DEFAULT_IN_FLIGHT,
      fingerprint: JSON.stringify([version, found.version, found.hash]),
    },
  };
}

function namedColumns({ inputs = {}, unit, output }: StreamingInferenceSpec): string[] {
  return [...Object.values(inputs), ...(unit === undefined ? [] : [unit]), ...(output.columns ?? [])];
}

/** Columns by which a reader finds the event again: its key, its id and its time. */
function identifying({ key, eventId, eventTime }: SourcePlan): number[] {
  return [...new Set([...key, ...(eventId < 0 ? [] : [eventId]), eventTime])];
}
