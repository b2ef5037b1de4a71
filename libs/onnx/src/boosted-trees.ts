import { writeModel } from './model-codec.js';
import { AttributeType, DataType } from './onnx-types.js';
import { normals } from './optimize/random-rows.js';

export interface BoostedTreesOptions {
  readonly columns: number;
  readonly trees: number;
  /** Splits from the root to a leaf; every tree is full. */
  readonly depth: number;
  readonly seed?: number;
}

/** A forest of random splits, as large as a boosted model is: input `x`, output `scores`. Leaves are small, so that the sum of all trees is of size one. */
export function boostedTrees({ columns, trees, depth, seed = 1 }: BoostedTreesOptions): Uint8Array {
  const random = normals(seed);
  const nodes = { treeids: [] as number[], nodeids: [] as number[], featureids: [] as number[], values: [] as number[] };
  const branches = { modes: [] as Uint8Array[], truenodeids: [] as number[], falsenodeids: [] as number[] };
  const leaves = { treeids: [] as number[], nodeids: [] as number[], ids: [] as number[], weights: [] as number[] };
  const [split, leaf] = [Buffer.from('BRANCH_LEQ'), Buffer.from('LEAF')];
  const inner = 2 ** depth - 1;
  for (let tree = 0; tree < trees; tree++) {
    for (let node = 0; node < 2 * inner + 1; node++) {
      const isLeaf = node >= inner;
      nodes.treeids.push(tree);
      nodes.nodeids.push(node);
      nodes.featureids.push(isLeaf ? 0 : Math.floor(Math.abs(random()) * 1000) % columns);
      nodes.values.push(isLeaf ? 0 : Math.fround(random()));
      branches.modes.push(isLeaf ? leaf : split);
      branches.truenodeids.push(isLeaf ? 0 : 2 * node + 1);
      branches.falsenodeids.push(isLeaf ? 0 : 2 * node + 2);
      if (!isLeaf) continue;
      leaves.treeids.push(tree);
      leaves.nodeids.push(node);
      leaves.ids.push(0);
      leaves.weights.push(Math.fround(random() / Math.sqrt(trees)));
    }
  }
  const ints = (name: string, values: number[]) => ({ name, type: AttributeType.INTS, ints: values });
  const floats = (name: string, values: number[]) => ({ name, type: AttributeType.FLOATS, floats: values });
  const attribute = [
    { name: 'n_targets', type: AttributeType.INT, i: 1 },
    ...[ints('nodes_treeids', nodes.treeids), ints('nodes_nodeids', nodes.nodeids), ints('nodes_featureids', nodes.featureids)],
    ...[floats('nodes_values', nodes.values), { name: 'nodes_modes', type: AttributeType.STRINGS, strings: branches.modes }],
    ...[ints('nodes_truenodeids', branches.truenodeids), ints('nodes_falsenodeids', branches.falsenodeids)],
    ...[ints('target_treeids', leaves.treeids), ints('target_nodeids', leaves.nodeids), ints('target_ids', leaves.ids)],
    floats('target_weights', leaves.weights),
  ];
  const tensor = (name: string, width: number) => ({
    name,
    type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimParam: 'N' }, { dimValue: width }] } } },
  });
  return writeModel({
    irVersion: 8,
    producerName: 'millrace',
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'ai.onnx.ml', version: 3 },
    ],
    graph: {
      name: 'boosted',
      node: [{ opType: 'TreeEnsembleRegressor', domain: 'ai.onnx.ml', name: 'trees', input: ['x'], output: ['scores'], attribute }],
      initializer: [],
      input: [tensor('x', columns)],
      output: [tensor('scores', 1)],
    },
  });
}
