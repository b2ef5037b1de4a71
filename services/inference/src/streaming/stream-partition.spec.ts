import { expect, test } from '@jest/globals';
import type { EventOutcome } from './predict-event.js';
import { StreamPartition } from './stream-partition.js';

const crashed: EventOutcome = { kind: 'again', code: 'MR_INFERENCE_CRASHED', reason: 'the thread ended' };

test('is done with what it has passed, and knows what no output tells of', () => {
  const state = new StreamPartition(10);
  state.end = 25;
  expect([state.next, state.lag, state.untold]).toEqual([10, 15, 0]);
  state.advance(20, 12);
  expect([state.next, state.lag, state.untold]).toEqual([20, 5, 7]);
  state.advance(15, undefined);
  expect(state.next).toBe(20);
  state.told(20);
  expect(state.untold).toBe(0);
  state.told(30);
  expect([state.next, state.lag]).toEqual([30, 0]);
});

test('knows for how long no output told of what it is done with', () => {
  const state = new StreamPartition(0);
  state.advance(4, 3);
  expect(state.untoldMs(1_000)).toBe(0);
  state.advance(6, undefined);
  expect([state.untoldMs(2_000), state.untoldMs(5_000)]).toEqual([0, 3_000]);
  state.advance(8, 6);
  expect([state.untoldMs(6_000), state.untoldMs(6_500)]).toEqual([0, 500]);
  state.told(8);
  expect(state.untoldMs(9_000)).toBe(0);
});

test('its lag in time is the age of the oldest event that waits', () => {
  const state = new StreamPartition(0);
  expect(state.lagMs(5_000)).toBe(0);
  state.end = 3;
  state.waitingSince = 2_000;
  expect(state.lagMs(5_000)).toBe(3_000);
  state.advance(3, 2);
  expect(state.lagMs(5_000)).toBe(0);
});

test('an event in whose run the thread ends is tried alone, and given up when it ends it alone again and again', () => {
  const state = new StreamPartition(0);
  const busy: EventOutcome = { kind: 'again', code: 'MR_INFERENCE_BUSY', reason: 'later' };
  expect(state.judged(4, busy)).toBe(busy);
  expect(state.isCareful).toBe(false);
  expect(state.judged(4, crashed)).toBe(crashed);
  expect(state.isCareful).toBe(true);
  // The one before it was not to blame, and is done with.
  state.advance(5, 4);
  expect(state.isCareful).toBe(false);
  for (let run = 0; run < 3; run++) expect(state.judged(5, crashed)).toBe(crashed);
  expect(state.judged(5, crashed)).toEqual({
    kind: 'letter',
    reason: expect.stringMatching(/each of 3 times it was run alone, the thread ended/),
  });
});

test('knows which events may have been tried before: those tried here, and so many of those that were there when it was taken up', () => {
  const state = new StreamPartition(10, { end: 15, most: 3 });
  expect([10, 12, 13, 14, 15].map((offset) => state.tries(offset))).toEqual([true, true, true, false, false]);
  expect([13, 14, 15, 16].map((offset) => state.tries(offset))).toEqual([true, true, true, false]);
  const idle = new StreamPartition(10, { end: 10, most: 3 });
  expect([10, 11, 11].map((offset) => idle.tries(offset))).toEqual([false, false, true]);
});
