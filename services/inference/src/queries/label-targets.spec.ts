import { expect, test } from '@jest/globals';
import type { Scheduler } from '@millrace/kernel';
import { LabelTargets } from './label-targets.js';

const scheduler = { after: (_: number, work: () => void) => (setImmediate(work), () => undefined) } as unknown as Scheduler;
const never = (): Promise<never> => new Promise(() => undefined);

test('labels are answered without a warning where a store that is away, or does not answer, cannot tell', async () => {
  const options = { names: () => ['delay'], caughtUp: () => Promise.resolve(), scheduler };
  const warningOf = (hasPredictions: () => Promise<boolean>) => new LabelTargets({ ...options, hasPredictions }).warningOf('dellay');
  expect(await warningOf(never)).toBeUndefined();
  expect(await warningOf(() => Promise.reject(new Error('away')))).toBeUndefined();
  expect(await warningOf(() => Promise.resolve(true))).toBeUndefined();
  expect(await warningOf(() => Promise.resolve(false))).toContain('did you mean "delay"?');
});
