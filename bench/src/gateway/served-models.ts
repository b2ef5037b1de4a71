import { boostedTrees, perceptronBytes } from '@millrace/onnx/testing';

export const COLUMNS = 30;

/** What every side serves: a boosted forest and a network, 30 floats to one. Input `x`, output `scores`. */
export const SERVED: Readonly<Record<'gbdt' | 'mlp', () => Uint8Array>> = {
  gbdt: () => boostedTrees({ columns: COLUMNS, trees: 200, depth: 6 }),
  mlp: () => perceptronBytes({ sizes: [COLUMNS, 64, 32, 1] }),
};
