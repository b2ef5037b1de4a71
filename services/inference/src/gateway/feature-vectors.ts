import type { MissingStatus } from '../domain/prediction/prediction.js';

export type EntityValue = string | number | bigint;
export type FeatureValue = string | number | bigint | boolean | null;

/** A named, typed input of a feature service. */
export interface FeatureInput<T> {
  readonly name: string;
  /** For messages: `String`, `Float32`. */
  readonly type: string;
  /** The value in the declared type; `undefined` when it cannot be one. */
  readonly parse: (value: FeatureValue) => T | undefined;
}

/** A feature service as the gateway asks it. */
export interface FeatureServiceShape {
  /** Join keys of all its entities, each once. */
  readonly joinKeys: readonly FeatureInput<EntityValue>[];
  /** What comes with the request: for the model, and for features computed from it. */
  readonly requestFeatures: readonly FeatureInput<FeatureValue>[];
}

export interface FeatureVectors {
  /** Feature name -> value, one record per row; request features are not among them. */
  readonly rows: readonly ReadonlyMap<string, FeatureValue>[];
  /** Why features of a row have no value, where it is not that their value is null; `null` for a row without any. */
  readonly statuses: readonly (Readonly<Record<string, MissingStatus>> | null)[];
  /** What the online projection had applied: goes into the prediction's record, so that it can be replayed. */
  readonly positions: Readonly<Record<string, unknown>>;
  /** View -> version of its definition. With the positions it names the values for ever. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Where the gateway reads features: the online store, through the one feature engine. */
export interface FeatureReader {
  shapeOf(featureService: string): FeatureServiceShape | undefined;
  /** One read for all rows, as of `at`, or each as of a time of its own; `requests` has what came with each of them. Given up after `withinMs`. */
  read(
    featureService: string,
    entities: readonly Readonly<Record<string, EntityValue>>[],
    requests: readonly Readonly<Record<string, FeatureValue>>[],
    at: number | readonly number[],
    withinMs?: number,
  ): Promise<FeatureVectors>;
}
