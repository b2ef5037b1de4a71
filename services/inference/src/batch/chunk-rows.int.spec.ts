import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { migrate, offlineStoreMigrations, openOfflineStore, ScratchTables, type OfflineStore } from '@millrace/offline-store';
import { systemClock, SystemIds } from '@millrace/service';
import { tempDir, type TempDir } from '@millrace/testing';
import type { Datatype, Tensor, TensorData } from '../domain/tensor/tensor.js';
import { outputColumns } from './check-columns.js';
import { chunkTable, encodeRows } from './chunk-rows.js';

let temp: TempDir;
let store: OfflineStore;
beforeAll(async () => {
  temp = await tempDir('chunk-rows');
  store = await openOfflineStore({ path: temp.path });
  await migrate(store, offlineStoreMigrations);
});
afterAll(async () => {
  await store.close();
  await temp.remove();
});

const tensor = (name: string, datatype: Datatype, shape: number[], data: TensorData): Tensor => ({ name, datatype, shape, data });

/** Of two rows, with what is odd of each type. */
const TENSORS: readonly Tensor[] = [
  tensor('bool', 'BOOL', [2, 1], Uint8Array.of(1, 0)),
  tensor('u8', 'UINT8', [2], Uint8Array.of(255, 0)),
  tensor('u64', 'UINT64', [2], BigUint64Array.of(2n ** 64n - 1n, 0n)),
  tensor('i8', 'INT8', [2], Int8Array.of(-128, 127)),
  tensor('i64', 'INT64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n)),
  tensor('f32', 'FP32', [2], Float32Array.of(0.1, NaN)),
  tensor('f64', 'FP64', [2], Float64Array.of(-0, Infinity)),
  tensor('text', 'BYTES', [2], ['', 'Größe\n"\u0000']),
  tensor('list', 'FP32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)),
  tensor('texts', 'BYTES', [2, 2], ['a', 'b', 'c', 'd']),
];

test('values of every type come back as they were, and rows without any as nulls and empty lists', async () => {
  const specs = TENSORS.map(({ name, datatype, shape }) => ({ name, datatype, shape: [-1, ...shape.slice(1)] }));
  const columns = outputColumns(
    specs,
    specs.map(({ name }) => name),
    '',
  );
  const rows = [{ outputs: TENSORS, index: 1 }, { error: 'no "value"' }, { outputs: TENSORS, index: 0 }];
  const encoded = encodeRows(columns, 70, rows);
  expect(encodeRows(columns, 70, rows).equals(encoded)).toBe(true);
  await new ScratchTables(store, new SystemIds(systemClock)).with(chunkTable(columns), async (table, bare) => {
    const names = ['__row', ...columns.map((_, index) => `v${index}`), 'error'];
    await store.insert(bare, encoded, 'once', { format: 'RowBinary', columns: names });
    const found = await store.query<Record<string, unknown>>(
      `SELECT * FROM ${table} ORDER BY __row SETTINGS output_format_json_quote_denormals = 1`,
    );
    expect(found.map((row) => Object.values(row))).toEqual([
      ['70', false, 0, '0', 127, '9007199254740993', 'nan', 'inf', 'Größe\n"\u0000', [4, 5, 6], ['c', 'd'], null],
      ['71', null, null, null, null, null, null, null, null, [], [], 'no "value"'],
      ['72', true, 255, '18446744073709551615', -128, '-9223372036854775808', 0.1, -0, '', [1, 2, 3], ['a', 'b'], null],
    ]);
  });
});
