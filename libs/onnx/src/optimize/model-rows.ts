import { emptyRowData, type RowData, type Rows } from '@millrace/edge';

export { emptyRowData, isRowDatatype, type RowData, type RowDatatype, type Rows } from '@millrace/edge';

/** A model that is loaded and answers. */
export interface LoadedModel {
  /** All outputs that are tensors, for one batch. */
  run(inputs: readonly Rows[]): Promise<readonly Rows[]>;
  close(): Promise<void>;
}

/** How many rows a batch has. */
export function countRows(inputs: readonly Rows[]): number {
  return inputs[0]?.shape[0] ?? 0;
}

/** The rows `from` to `from + count` of a batch; after the last comes the first again. */
export function takeRows(inputs: readonly Rows[], from: number, count: number): Rows[] {
  return inputs.map(({ name, datatype, shape, data }) => {
    const [rows = 1, ...inner] = shape;
    const width = inner.reduce((product, size) => product * size, 1);
    const taken = emptyRowData(datatype, count * width) as { [index: number]: number | bigint | string };
    for (let row = 0; row < count; row++) {
      const at = ((from + row) % rows) * width;
      for (let index = 0; index < width; index++) taken[row * width + index] = data[at + index] as number;
    }
    return { name, datatype, shape: [count, ...inner], data: taken as RowData };
  });
}

export function isFloat({ datatype }: Rows): boolean {
  return datatype === 'FP32' || datatype === 'FP64';
}

/** The column with the largest value of a row; the first of equal ones. */
export function largest({ data }: Rows, row: number, rows: number): number {
  const width = data.length / rows;
  let best = 0;
  for (let column = 1; column < width; column++)
    if ((data[row * width + column] as number) > (data[row * width + best] as number)) best = column;
  return best;
}
