import { DataType, writeModel, type ValueInfoProto } from '@millrace/onnx';

/** A model that fails for some rows and not for others: its output is ten times `index`, which has to be below `size`. */
export function rowModel(size: number, output = 'value'): Uint8Array {
  const values = Array.from({ length: size }, (_, index) => index * 10);
  return writeModel({
    irVersion: 8,
    producerName: 'millrace',
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: [],
    graph: {
      name: 'look_up',
      input: [column('index')],
      output: [column(output)],
      initializer: [{ name: 'values', dims: [size], dataType: DataType.INT64, int64Data: values }],
      node: [{ opType: 'Gather', name: 'value', input: ['values', 'index'], output: [output] }],
    },
  });
}

function column(name: string): ValueInfoProto {
  return { name, type: { tensorType: { elemType: DataType.INT64, shape: { dim: [{ dimParam: 'N' }] } } } };
}
