import { expect, test } from '@jest/globals';
import { outputDifference } from './output-difference.js';

const of = (...outputs: [string, 'FP32' | 'INT64', number[] | undefined][]) => ({
  outputs: outputs.map(([name, datatype, shape]) => ({ name, datatype, shape })),
});

test('a candidate has to give what the primary does, and may give more', () => {
  const primary = of(['p', 'FP32', [-1, 2]], ['label', 'INT64', [-1]]);
  expect(outputDifference(primary, of(['more', 'FP32', [-1]], ['label', 'INT64', [-1]], ['p', 'FP32', [-1, 3]]))).toBeUndefined();
  expect(outputDifference(primary, of(['p', 'FP32', undefined], ['label', 'INT64', [-1]]))).toBeUndefined();
  expect(outputDifference(primary, of(['p', 'FP32', [-1, 2]]))).toBe('it gives no output "label", which the primary gives');
  expect(outputDifference(primary, of(['p', 'FP32', [-1, 2]], ['label', 'FP32', [-1]]))).toBe(
    'its output "label" is FP32, the primary\'s is INT64',
  );
  expect(outputDifference(primary, of(['p', 'FP32', [-1]], ['label', 'INT64', [-1]]))).toBe(
    'its output "p" has 1 dimensions, the primary\'s has 2',
  );
});

test('another primary is compared with anew', () => {
  const candidate = of(['q', 'FP32', [-1]]);
  expect(outputDifference(of(['p', 'FP32', [-1]]), candidate)).toMatch(/no output "p"/);
  expect(outputDifference(of(['q', 'FP32', [-1]]), candidate)).toBeUndefined();
});
