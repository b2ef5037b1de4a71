import { isRefusal, Refusal } from '../domain/refusal.js';
import type { EntityRows } from './entity-rows.js';
import type { FeatureReader, FeatureValue, FeatureVectors } from './feature-vectors.js';

/** Reads the features of rows. Whatever goes wrong is a refusal. */
export async function readFeatures(
  features: FeatureReader,
  featureService: string,
  { entities, requests, at }: EntityRows,
): Promise<FeatureVectors> {
  try {
    return await features.read(featureService, entities, requests, at);
  } catch (error) {
    if (isRefusal(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new Refusal('MR_INFERENCE_FEATURES', `the features could not be read: ${message}`, { cause: error });
  }
}

/** Rows of a read, each with what came with the request; all of them unless some are named. */
export function withRequests(
  vectors: FeatureVectors,
  { requests }: EntityRows,
  rows: Iterable<number> = vectors.rows.keys(),
): Map<string, FeatureValue>[] {
  return Array.from(rows, (row) => new Map([...(vectors.rows[row] ?? []), ...Object.entries(requests[row] ?? {})]));
}
