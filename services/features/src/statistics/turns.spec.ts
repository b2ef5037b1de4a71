import { expect, test } from '@jest/globals';
import { Turns } from './turns.js';

test('who asks while it runs shares one more run, which begins after', async () => {
  const turns = new Turns();
  const ends: ((value: number) => void)[] = [];
  const fail: ((error: Error) => void)[] = [];
  const work = () =>
    new Promise<number>((resolve, reject) => {
      ends.push(resolve);
      fail.push(reject);
    });
  const first = turns.run('a', work);
  const [second, third] = [turns.run('a', work), turns.run('a', work)];
  const other = turns.run('b', work);
  expect(ends).toHaveLength(2);
  fail[0]?.(new Error('down'));
  await expect(first).rejects.toThrow('down');
  await new Promise(setImmediate);
  expect(ends).toHaveLength(3);
  const late = turns.run('a', work);
  ends[2]?.(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
  await new Promise(setImmediate);
  ends[3]?.(3);
  ends[1]?.(9);
  expect(await Promise.all([late, other])).toEqual([3, 9]);
  const alone = turns.run('a', work);
  ends[4]?.(4);
  expect(await alone).toBe(4);
});
