import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCsv } from './parse-csv.js';

const columnsOf = (text: string): Record<string, unknown> => Object.fromEntries(parseCsv(text).columns);

describe('CSV', () => {
  test('is typed column by column, as pandas does', () => {
    const text =
      '\uFEFFint,big,real,flag,text,mixed\r\n1,9007199254740993,1.5,True,a,1\r\n\r\n-2,1,1e3,false,"b, ""c""\nd",x\r\n,,NA,,,\r\n';
    expect(columnsOf(text)).toEqual({
      int: [1, -2, null],
      big: [9007199254740993n, 1, null],
      real: [1.5, 1000, null],
      flag: [true, false, null],
      text: ['a', 'b, "c"\nd', null],
      mixed: ['1', 'x', null],
    });
  });

  test('lacks what a short row does not say, and keeps what was written', () => {
    expect(columnsOf('a,b\n1\n2,3')).toEqual({ a: [1, 2], b: [null, 3] });
    expect(columnsOf('a\n""\n0')).toEqual({ a: [null, 0] });
    expect(columnsOf('a,a,\n1,2,3')).toEqual({ a: [1], 'a.1': [2], 'Unnamed: 2': [3] });
    expect(columnsOf('a\ninf\n-Infinity\n.5')).toEqual({ a: [Infinity, -Infinity, 0.5] });
    const { columns, texts } = parseCsv('code\n007\n');
    expect([columns.get('code'), texts.get('code')]).toEqual([[7], ['007']]);
    expect(columnsOf('a,b')).toEqual({ a: [], b: [] });
  });

  test.each([
    ['', /^the CSV is empty; give a header row/],
    ['\n\r\n', /^the CSV is empty/],
    ['a,b\n1,2\n1,2,3', /^row 1 of the CSV has 3 values; the header names 2 columns$/],
    ['a\n"1', /^the CSV ends within quotes/],
  ])('%j is refused', (text, message) => {
    expect(() => parseCsv(text)).toThrow(message);
  });

  test('any texts are read as they were written', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '1') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 8 }), (rows) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = ['x,y', ...rows.map((row) => row.map(quoted).join(','))].join('\n');
        expect(Object.fromEntries(parseCsv(text).texts)).toEqual({ x: rows.map(([x]) => x), y: rows.map(([, y]) => y) });
      }),
    );
  });
});
