import { describe, expect, test } from '@jest/globals';
import { parameterText, quoteIdentifier, quoteString, quoteTable, splitStatements } from './clickhouse-text.js';

describe('clickhouse-text', () => {
  test('quotes strings, names and tables', () => {
    expect(quoteString("it's \\ a\n")).toBe("'it\\'s \\\\ a\\n'");
    expect(quoteIdentifier('a`b\\')).toBe('`a\\`b\\\\`');
    expect(quoteTable('millrace.runs')).toBe('`millrace`.`runs`');
  });

  test('writes parameters as the HTTP interface takes them', () => {
    expect(parameterText(null)).toBe('\\N');
    expect(parameterText('a\tb\\')).toBe('a\\tb\\\\');
    expect(parameterText(true)).toBe('1');
    expect(parameterText(-0)).toBe('-0');
    expect(parameterText(Number.NaN)).toBe('nan');
    expect(parameterText(["x'y", 1])).toBe("['x\\'y',1]");
  });

  test.each([
    ['SELECT 1; SELECT 2;', ['SELECT 1', 'SELECT 2']],
    ["SELECT ';' AS a; SELECT `;`", ["SELECT ';' AS a", 'SELECT `;`']],
    ["SELECT 'it\\'s;' ; -- ; nothing\n", ["SELECT 'it\\'s;'"]],
    ['/* ; */ SELECT 1 -- ;\n;', ['/* ; */ SELECT 1 -- ;']],
    ['SELECT $tag$ ; $tag$; SELECT $$;$$', ['SELECT $tag$ ; $tag$', 'SELECT $$;$$']],
    ['  \n -- only a comment', []],
  ])('splits %j', (script, statements) => {
    expect(splitStatements(script)).toEqual(statements);
  });
});
