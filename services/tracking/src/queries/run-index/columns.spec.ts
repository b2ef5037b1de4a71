import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CodeColumn } from './code-column.js';
import { NumberColumn } from './number-column.js';
import { PackedTexts } from './packed-texts.js';
import { RunIds } from './run-ids.js';
import { storedRuns, type StoredDecisions } from './stored-runs.js';
import { TextColumn } from './text-column.js';

/** Where a thing of one column is set or, with nothing, deleted. */
const writes = <T>(values: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(fc.nat(2_000), fc.option(values, { nil: undefined })), { maxLength: 3_000 });

/** The same into a column as into its model. */
function write<T>(
  into: { set(row: number, value: T): unknown; delete(row: number): unknown },
  all: readonly (readonly [number, T | undefined])[],
): void {
  for (const [row, value] of all) {
    if (value === undefined) into.delete(row);
    else into.set(row, value);
  }
}

describe('columns', () => {
  test('numbers come back as they were set, few or many, NaN and infinities too', () => {
    fc.assert(
      fc.property(writes(fc.double()), (all) => {
        const [column, model] = [new NumberColumn(), new Map<number, number>()];
        for (const into of [column, model]) write(into, all);
        const rows = Array.from({ length: 2_001 }, (_, row) => row);
        expect(rows.map((row) => column.has(row))).toEqual(rows.map((row) => model.has(row)));
        expect(rows.map((row) => column.get(row))).toEqual(rows.map((row) => model.get(row) ?? NaN));
      }),
      { numRuns: 30 },
    );
  });

  test('codes come back through every width of cell', () => {
    const code = fc.oneof(fc.nat(3), fc.constantFrom(253, 254, 255, 256, 65_533, 65_534, 65_535, 65_536, 4_000_000_000));
    fc.assert(
      fc.property(writes(code), (all) => {
        const [column, model] = [new CodeColumn(), new Map<number, number>()];
        for (const into of [column, model]) write(into, all);
        const told = new Map<number, number>();
        column.forEach((row, value) => told.set(row, value));
        expect(new Map([...told].sort(([a], [b]) => a - b))).toEqual(new Map([...model].sort(([a], [b]) => a - b)));
        const rows = Array.from({ length: 2_002 }, (_, row) => row);
        expect(rows.map((row) => column.get(row))).toEqual(rows.map((row) => model.get(row) ?? -1));
      }),
      { numRuns: 30 },
    );
  });

  test('packed texts come back, narrow and wide, one by one and read in a row', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('', 'é', 'ÿ', 'Ā', '\ud800'),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 400 }), (texts) => {
        const packed = new PackedTexts();
        for (const [at, one] of texts.entries()) expect(packed.add(one)).toBe(at);
        const read = packed.reader();
        for (const [at, one] of texts.entries()) expect([packed.get(at), read(at), packed.equals(one)(at)]).toEqual([one, one, true]);
        const other = packed.equals('none of them \u0100');
        expect(texts.some((_, at) => other(at))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  test('a column of many texts reads, filters and compares as one of few does, after changes too', () => {
    const [column, model] = [new TextColumn(), new Map<number, string>()];
    const set = (row: number, text: string) => {
      column.set(row, text);
      model.set(row, text);
    };
    // Enough to be packed, then changed so often that it is packed anew.
    for (let round = 0; round < 6; round++) for (let row = 0; row < 12_000; row += 2) set(row, `text ${round} ${row}`);
    for (let row = 0; row < 12_000; row += 400) {
      column.delete(row);
      model.delete(row);
    }
    set(1, 'odd \u2014 one');
    const [read, isOdd, endsInTen, isOne] = [
      column.reader(),
      column.equals('odd \u2014 one'),
      column.filter((text) => text.endsWith('10')),
      column.equals('text 5 2'),
    ];
    const rows = Array.from({ length: 12_100 }, (_, row) => row);
    const expected = rows.map((row) => model.get(row));
    for (const found of [rows.map((row) => column.get(row)), rows.map(read)]) expect(found).toEqual(expected);
    expect(rows.map((row) => column.has(row))).toEqual(expected.map((text) => text !== undefined));
    expect(rows.filter(isOdd)).toEqual([1]);
    expect(rows.filter(isOne)).toEqual([2]);
    expect(rows.filter(endsInTen)).toEqual(rows.filter((row) => model.get(row)?.endsWith('10')));
    expect(column.bytes).toBeLessThan(800_000);
  });

  test('run ids of every form are found, and take few bytes', () => {
    const ids = new RunIds();
    const idOf = (index: number) => (index % 50 === 7 ? `run ${index}` : index.toString(16).padStart(32, '0'));
    const rows = Array.from({ length: 30_000 }, (_, row) => row);
    expect(rows.map((row) => ids.add(idOf(row)))).toEqual(rows);
    expect(rows.map((row) => ids.row(idOf(row)))).toEqual(rows);
    expect(rows.map((row) => ids.id(row))).toEqual(rows.map(idOf));
    expect([ids.row('f'.repeat(32)), ids.row('F'.repeat(32)), ids.row(''), ids.size]).toEqual([undefined, undefined, undefined, 30_000]);
    expect(ids.bytes).toBeLessThan(30_000 * 40);
  });
});

test('stored runs are met with their metrics, also where the two folds do not hold the same runs', async () => {
  const run = (runId: string) => ({ sequence: 1, state: { runId } as unknown });
  const decisions: StoredDecisions = {
    subjects: async function* () {
      yield* ['b', 'c', 'e'].map((id) => [`run/${id}`, run(id)] as const);
      yield ['run/f', { sequence: 1, state: null }];
    },
  };
  const asked: string[] = [];
  const point = (value: number) => [{ key: 'm', value, timestamp: 0, step: 0 }];
  const metrics = {
    of: (runId: string) => {
      asked.push(runId);
      return [];
    },
    stored: () => (['a', 'b', 'd', 'e'] as const).map((id, index) => [id, point(index)] as const)[Symbol.iterator](),
  };
  const found: [string, number | undefined][] = [];
  for await (const { run: one, metrics: points } of storedRuns(decisions, metrics, () => false)) found.push([one.runId, points[0]?.value]);
  expect(found).toEqual([
    ['b', 1],
    ['c', undefined],
    ['e', 3],
  ]);
  expect(asked).toEqual(['c']);
});
