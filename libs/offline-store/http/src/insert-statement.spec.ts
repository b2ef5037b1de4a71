import { describe, expect, test } from '@jest/globals';
import { insertStatement, isInsert } from './insert-statement.js';
import { settingsClauses, sqlWords } from './sql-words.js';

describe('insertStatement', () => {
  test.each([
    ['INSERT INTO t FORMAT Native\n\n\x01', ['INSERT INTO t', '', 'Native'], '\n\x01'],
    [
      '-- FORMAT x\ninsert into `FORMAT a` (a, "b FORMAT c") settings x = \'FORMAT y\' format CSV 1,2',
      ['-- FORMAT x\ninsert into `FORMAT a` (a, "b FORMAT c")', "settings x = 'FORMAT y'", 'CSV'],
      '1,2',
    ],
    ['INSERT INTO t VALUES (1)', ['INSERT INTO t', '', 'Values'], ' (1)'],
    ['INSERT INTO t FORMAT Values\n(1)', ['INSERT INTO t', '', 'Values'], '(1)'],
    ['INSERT INTO t FORMAT RowBinary;\r\n\n', ['INSERT INTO t', '', 'RowBinary'], '\n'],
    ["INSERT INTO FUNCTION null('a Int8') FORMAT CSV\n1", ["INSERT INTO FUNCTION null('a Int8')", '', 'CSV'], '1'],
  ])('finds the data of %j', (text, parts, data) => {
    const bytes = Buffer.from(text, 'latin1');
    const found = insertStatement(bytes);
    expect([found?.into, found?.settings, found?.format]).toEqual(parts);
    expect(bytes.subarray(found?.dataAt).toString('latin1')).toBe(data);
  });

  test.each([
    'INSERT INTO t SELECT 1 FORMAT Null',
    'SELECT 1 FORMAT CSV',
    'INSERT INTO t WITH 1 AS a SELECT a',
    '',
    'CREATE TABLE t (FORMAT Int8)',
  ])('%j has none', (text) => {
    expect(insertStatement(Buffer.from(text))).toBeUndefined();
  });

  test('isInsert', () => {
    expect(isInsert(' /* x */ -- y\n insert into t')).toBe(true);
    expect(isInsert('SELECT 1 -- INSERT')).toBe(false);
  });
});

describe('sqlWords', () => {
  test('leaves strings and numbers out', () => {
    expect(sqlWords("SELECT `a\\`b`, 'it\\'s file(', {x:Identifier}, 1.5e3 FROM t.file").map(({ text }) => text)).toEqual([
      'SELECT',
      'a\\`b',
      ',',
      "''",
      ',',
      'x:Identifier',
      ',',
      'FROM',
      't',
      '.',
      'file',
    ]);
  });

  test('finds SETTINGS clauses', () => {
    expect(
      settingsClauses("SELECT 'SETTINGS no = 1' FROM (SELECT 1 SETTINGS a = 1, b = 'x, y = 2') SETTINGS c = -1.5 FORMAT JSON"),
    ).toEqual({ a: '1', b: 'x, y = 2', c: '-1.5' });
  });
});
