/**
 * What is told of the records of evaluation datasets: facts on `millrace.tracking.dataset-records`, keyed by the dataset, so that they are
 * in order. A record's id is made of its inputs, so who tells of the same inputs again tells more of the same record.
 */
export type DatasetRecordFact =
  | { readonly type: 'DatasetRecordsMerged'; readonly data: DatasetRecordsMerged }
  | { readonly type: 'DatasetRecordsDeleted'; readonly data: DatasetRecordsDeleted };

interface OfDataset {
  /** `d-` and 32 lower-case hex characters. */
  readonly datasetId: string;
  /** Milliseconds since the epoch at which it was told. */
  readonly at: number;
  readonly by: string;
}

export interface DatasetRecordsMerged extends OfDataset {
  readonly records: readonly ToldRecord[];
}

/** What one telling says of a record. JSON texts; `null` says nothing. */
export interface ToldRecord {
  /** `dr-` and 32 lower-case hex characters of the SHA-256 of the dataset's id and the inputs. */
  readonly recordId: string;
  readonly inputs: string;
  /** Any value; a later one takes the place of the one before. */
  readonly outputs: string | null;
  /** An object; its entries are added to those there. */
  readonly expectations: string | null;
  /** An object of texts; its entries are added to those there. */
  readonly tags: string | null;
  /** An object: where the record comes from. */
  readonly source: string | null;
}

export interface DatasetRecordsDeleted extends OfDataset {
  readonly recordIds: readonly string[];
}

export interface DatasetRecord {
  readonly datasetId: string;
  readonly recordId: string;
  readonly inputs: unknown;
  outputs: unknown;
  expectations: Readonly<Record<string, unknown>> | null;
  tags: Readonly<Record<string, unknown>>;
  source: { readonly source_type?: string; readonly source_data?: Readonly<Record<string, unknown>> } | null;
  readonly createdAt: number;
  updatedAt: number;
  readonly createdBy: string;
  updatedBy: string;
}

/** One telling of a record, with when and by whom. */
export type Telling = ToldRecord & Omit<OfDataset, 'datasetId'>;

/** What the tellings of one record since its last deletion, in order, say together; nothing without any. */
export function foldRecord(datasetId: string, tellings: Iterable<Telling>): DatasetRecord | undefined {
  let record: DatasetRecord | undefined;
  for (const { recordId, inputs, outputs, expectations, tags, source, at, by } of tellings) {
    record ??= {
      ...{ datasetId, recordId, inputs: JSON.parse(inputs) as unknown, outputs: null, expectations: null, tags: {}, source: null },
      ...{ createdAt: at, updatedAt: at, createdBy: by, updatedBy: by },
    };
    record.updatedAt = at;
    record.updatedBy = by;
    if (outputs !== null) record.outputs = JSON.parse(outputs) as unknown;
    if (expectations !== null) record.expectations = { ...record.expectations, ...(JSON.parse(expectations) as object) };
    if (tags !== null) record.tags = { ...record.tags, ...(JSON.parse(tags) as object) };
    // Where it came from at first is where it comes from.
    if (source !== null) record.source ??= JSON.parse(source) as DatasetRecord['source'];
  }
  return record;
}
