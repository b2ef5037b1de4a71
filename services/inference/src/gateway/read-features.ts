import { isFault } from '@millrace/kernel';
import { isRefusal, Refusal } from '../domain/refusal.js';
import type { EntityRows } from './entity-rows.js';
import type { FeatureReader, FeatureValue, FeatureVectors } from './feature-vectors.js';

/** Reads the features of rows, in the time that is left. Whatever goes wrong is a refusal. */
export async function readFeatures(
  features: FeatureReader,
  featureService: string,
  { entities, requests, at }: EntityRows,
  leftMs?: number,
): Promise<FeatureVectors> {
  try {
    return await features.read(featureService, entities, requests, at, leftMs);
  } catch (error) {
    if (isRefusal(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (isFault(error) && error.code === 'MR_DEADLINE_EXCEEDED')
      throw new Refusal('MR_INFERENCE_DEADLINE', `the deadline passed while the features were read: ${message}`, { cause: error });
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
