import { describe, expect, test } from '@jest/globals';
import { BinaryBlock } from './binary-block.js';
import { RowBinary } from './row-binary.js';

const MEBIBYTE = 1024 * 1024;

function filled(byte: number, length: number, expected = 0): RowBinary {
  const out = new RowBinary(expected);
  out.raw(new Uint8Array(length).fill(byte));
  return out;
}

describe('memory for rows', () => {
  test('is taken again once it was given back', () => {
    const first = filled(1, MEBIBYTE, MEBIBYTE);
    const memory = first.slice(0, 1).buffer;
    first.release();
    expect(first.length).toBe(0);
    expect(filled(2, MEBIBYTE, MEBIBYTE).slice(0, 1).buffer).toBe(memory);
  });

  test('belongs to one at a time, however it grows and is given back', () => {
    const live: { readonly byte: number; readonly out: RowBinary; length: number }[] = [];
    let random = 7;
    const next = (below: number): number => (random = (random * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 2000; round++) {
      const chosen = live[next(live.length + 1)];
      if (!chosen) {
        const [byte, length] = [next(256), next(200_000)];
        live.push({ byte, out: filled(byte, length, next(2) * length), length });
      } else if (next(3) === 0) {
        chosen.out.release();
        live.splice(live.indexOf(chosen), 1);
      } else {
        const more = next(50_000);
        chosen.out.raw(new Uint8Array(more).fill(chosen.byte));
        chosen.length += more;
      }
      if (live.length > 12) live.shift()?.out.release();
    }
    for (const { byte, out, length } of live) {
      const bytes = out.slice(0, out.length);
      expect([bytes.length, bytes.every((one) => one === byte)]).toEqual([length, true]);
    }
  });

  test('is not kept for a block so small that it would pin much of it', () => {
    const large = filled(1, 16 * MEBIBYTE, 16 * MEBIBYTE);
    const memory = large.slice(0, 1).buffer;
    large.release();
    expect(new RowBinary().slice(0, 1).buffer).not.toBe(memory);
    expect(filled(1, 1, 16 * MEBIBYTE).slice(0, 1).buffer).toBe(memory);
  });

  test('can be written to after it was given back', () => {
    const layout = { recordColumns: [], rowColumns: [], count: () => 1, writeRecord: () => undefined, writeRow: () => undefined };
    const block = new BinaryBlock<never>('t', 0, layout);
    block.release();
    block.add(5, {} as never);
    expect(block.bytes({ from: 0, to: 1 }).length).toBe(2 + 4 + 8 + 4);
  });
});
