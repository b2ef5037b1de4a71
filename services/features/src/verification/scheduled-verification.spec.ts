import { expect, test } from '@jest/globals';
import { ScheduledVerification } from './scheduled-verification.js';
import type { VectorSelection } from './served-vectors.js';
import { NOTHING_VERIFIED } from './verify-served.js';

const HOUR = 3_600_000;
const MINUTE = 60_000;

function setUp(verify: (selection: VectorSelection) => Promise<typeof NOTHING_VERIFIED>) {
  let now = Date.parse('2026-01-01T12:00:00Z');
  const timers: (() => void)[] = [];
  const told: string[] = [];
  const checks = new ScheduledVerification({
    everyMs: HOUR,
    scheduler: {
      after: (milliseconds, run) => {
        timers.push(() => {
          now += milliseconds;
          run();
        });
        return () => void timers.pop();
      },
    },
    now: () => now,
    verify,
    verified: ({ from, to }) => told.push(`${from.slice(11, 16)} to ${to.slice(11, 16)}`),
    failed: (error) => told.push((error as Error).message),
  });
  const turn = async (): Promise<void> => {
    timers.shift()?.();
    await new Promise(setImmediate);
  };
  return { checks, turn, timers, told };
}

test('each round takes the answers since the one before, and a failed one is made up for', async () => {
  let isDown = false;
  const asked: VectorSelection[] = [];
  const { checks, turn, told } = setUp((selection) => {
    if (isDown) return Promise.reject(new Error('the offline store is down'));
    asked.push(selection);
    return Promise.resolve({ ...NOTHING_VERIFIED, compared: asked.length });
  });
  checks.start();
  expect(checks.last).toBeUndefined();
  await turn();
  isDown = true;
  await turn();
  isDown = false;
  await turn();
  expect(told).toEqual(['10:59 to 12:59', 'the offline store is down', '12:59 to 14:59']);
  expect(asked.map(({ from, to }) => (to! - from!) / MINUTE)).toEqual([120, 120]);
  expect(checks.last).toMatchObject({ from: '2026-01-01T12:59:00.000Z', compared: 2, mismatches: 0 });
});

test('stopping waits for the round that runs, and none follows', async () => {
  let finish = (): void => {};
  const { checks, turn, timers, told } = setUp(() => new Promise((resolve) => (finish = () => resolve(NOTHING_VERIFIED))));
  checks.start();
  await turn();
  const stopping = checks.stop();
  finish();
  await stopping;
  expect([told.length, timers.length]).toEqual([1, 0]);
});
