import { createHash } from 'node:crypto';

export const PRODUCER = 'https://millrace.dev';
export const SPEC = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs';
const FACETS = 'https://openlineage.io/spec/facets';

export type Values = Readonly<Record<string, unknown>>;

/** A facet of the spec, by `<version>/<name>`. */
export function facet(schema: string, values: Values): Values {
  const name = schema.slice(schema.indexOf('/') + 1);
  return { _producer: PRODUCER, _schemaURL: `${FACETS}/${schema}.json#/$defs/${name}`, ...values };
}

/** What a job is, in our words. */
export function jobType(type: string, processingType: 'BATCH' | 'STREAMING' = 'BATCH'): Values {
  return { jobType: facet('2-0-4/JobTypeJobFacet', { processingType, integration: 'MILLRACE', jobType: type }) };
}

export function failed(message: string | undefined): Values {
  return message === undefined ? {} : { errorMessage: facet('1-0-1/ErrorMessageRunFacet', { message, programmingLanguage: 'SQL' }) };
}

/** MLflow's source is a JSON text with a `url`, `uri` or `path` in it, by its type. */
export function uriOf(source: unknown): { uri?: string } {
  try {
    const values = JSON.parse(String(source)) as Values;
    const uri = ['url', 'uri', 'path'].map((key) => values[key]).find((one) => typeof one === 'string');
    return typeof uri === 'string' && /^[a-z][a-z0-9+.-]*:/i.test(uri) ? { uri } : {};
  } catch {
    return {};
  }
}

/** The same text gives the same UUID (version 8 of RFC 9562: from a hash of our own). */
export function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return dashed(bytes.toString('hex'));
}

export function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Columns of a dataset; a type that is not known is left out. */
export function schemaFacet(fields: readonly { readonly name: string; readonly type?: string; readonly description?: string }[]): Values {
  return { schema: facet('1-2-0/SchemaDatasetFacet', { fields }) };
}

/** A column and what its values are made of. */
export interface FieldLineage {
  readonly name: string;
  readonly from: readonly {
    readonly dataset: string;
    readonly field: string;
    readonly subtype: 'IDENTITY' | 'AGGREGATION' | 'TRANSFORMATION';
  }[];
}

/** Column lineage; columns that are made of none are left out. */
export function columnLineageFacet(namespace: string, columns: readonly FieldLineage[]): Values {
  const told = columns.filter(({ from }) => from.length > 0);
  if (told.length === 0) return {};
  const fields = told.map(({ name, from }) => {
    const inputFields = from.map(({ dataset, field, subtype }) => ({
      ...{ namespace, name: dataset, field },
      transformations: [{ type: 'DIRECT', subtype }],
    }));
    return [name, { inputFields }] as const;
  });
  return { columnLineage: facet('1-2-0/ColumnLineageDatasetFacet', { fields: Object.fromEntries(fields) }) };
}
