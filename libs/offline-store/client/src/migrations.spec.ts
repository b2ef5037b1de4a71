import { describe, expect, test } from '@jest/globals';
import { notRepeatable, pending, type MigrationFile } from './migrations.js';

const file = (number: number, checksum = `c${number}`): MigrationFile => ({ number, file: `000${number}-x.sql`, checksum, statements: [] });
const done = (number: number, checksum = `c${number}`) => ({ number, file: `000${number}-x.sql`, checksum });

describe('migrations', () => {
  test('runs what has not been run, in order', () => {
    expect(pending('a', [file(1), file(2), file(3)], [done(1)]).map(({ number }) => number)).toEqual([2, 3]);
    expect(pending('a', [file(1)], [done(1), done(2)])).toEqual([]);
  });

  test('refuses a changed file and one numbered into the past', () => {
    expect(() => pending('a', [file(1, 'other')], [done(1)])).toThrow(/changed after it was run/);
    expect(() => pending('a', [file(1), file(2)], [done(2)])).toThrow(/numbered before 2/);
  });

  test.each([
    'CREATE TABLE IF NOT EXISTS millrace.a (x UInt8) ENGINE = Memory',
    'CREATE OR REPLACE VIEW millrace.v AS SELECT 1',
    '-- why\nCREATE MATERIALIZED VIEW IF NOT EXISTS millrace.m TO millrace.a AS SELECT 1',
    'ALTER TABLE millrace.a ADD COLUMN IF NOT EXISTS y UInt8, MODIFY COLUMN x UInt16',
    'DROP VIEW IF EXISTS millrace.v',
  ])('lets pass: %s', (statement) => {
    expect(notRepeatable(statement)).toBeUndefined();
  });

  test.each([
    'CREATE TABLE millrace.a (x UInt8) ENGINE = Memory',
    'DROP TABLE millrace.a',
    'ALTER TABLE millrace.a ADD COLUMN y UInt8',
    'ALTER TABLE millrace.a DROP COLUMN y',
    'ALTER TABLE millrace.a DELETE WHERE 1',
    'INSERT INTO millrace.a VALUES (1)',
    'TRUNCATE TABLE millrace.a',
  ])('refuses: %s', (statement) => {
    expect(notRepeatable(statement)).toEqual(expect.any(String));
  });
});
