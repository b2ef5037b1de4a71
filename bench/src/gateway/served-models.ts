import { FEATURES_METADATA, readModel, writeModel } from '@millrace/onnx';
import { boostedTrees, perceptronBytes } from '@millrace/onnx/testing';

export const COLUMNS = 30;
export const FEATURE_NAMES: readonly string[] = Array.from({ length: COLUMNS }, (_, index) => `f${index}`);

/** What every side serves: a boosted forest and a network, 30 floats to one. Input `x`, output `scores`. */
export const SERVED: Readonly<Record<'gbdt' | 'mlp', () => Uint8Array>> = {
  gbdt: () => named(boostedTrees({ columns: COLUMNS, trees: 200, depth: 6 })),
  mlp: () => named(perceptronBytes({ sizes: [COLUMNS, 64, 32, 1] })),
};

/** The same model, saying what its columns are called: only we look. */
function named(bytes: Uint8Array): Uint8Array {
  return writeModel({ ...readModel(bytes), metadataProps: [{ key: FEATURES_METADATA, value: JSON.stringify(FEATURE_NAMES) }] });
}
