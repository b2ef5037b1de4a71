import { expect, test } from '@jest/globals';
import { materialization, type MaterializationState } from './materialization.decider.js';
import type { MaterializationEvent } from './materialization.events.js';
import { dueSlot } from './schedule.js';

const HOUR = 3_600_000;

function given(
  ...runs: readonly { to: number; trigger?: 'request' | 'schedule'; version?: number; end?: 'finished' | 'failed' }[]
): MaterializationState {
  let state = materialization.initial();
  runs.forEach(({ to, trigger = 'schedule', version = 1, end }, index) => {
    const materializationId = `m${index}`;
    const events: MaterializationEvent[] = [
      { type: 'MaterializationStarted', data: { materializationId, source: 's', version, from: null, to, trigger, runner: 'p' } },
    ];
    if (end === 'finished') events.push({ type: 'MaterializationFinished', data: { materializationId, runner: 'p' } });
    if (end === 'failed') events.push({ type: 'MaterializationFailed', data: { materializationId, code: 'MR_X', message: '' } });
    for (const event of events) state = materialization.evolve(state, event, { subject: 's', sequence: 1, time: 100 * HOUR, actor: 'a' });
  });
  return state;
}

test.each([
  ['the first run is due at once, up to the last full hour', given(), 1, 10.5, 10],
  ['not again in the same hour', given({ to: 10 * HOUR, end: 'finished' }), 1, 10.9, undefined],
  ['on the hour', given({ to: 10 * HOUR, end: 'finished' }), 1, 11, 11],
  ['many missed ones are one', given({ to: 10 * HOUR, end: 'finished' }), 1, 90.2, 90],
  ['none while one runs, also one that was asked for', given({ to: 3 * HOUR, trigger: 'request' }), 1, 10.5, undefined],
  ['not what was done on request', given({ to: 10.2 * HOUR, trigger: 'request', end: 'finished' }), 1, 10.5, undefined],
  ['a failed one is tried again with the next', given({ to: 10 * HOUR, end: 'failed' }), 1, 10.5, undefined],
  ['then up to there', given({ to: 10 * HOUR, end: 'failed' }), 1, 11.5, 11],
  ['another version at once', given({ to: 10 * HOUR, end: 'finished' }), 2, 10.5, 10],
] as const)('%s', (_what, state, version, hours, slot) => {
  expect(dueSlot(state, version, HOUR, hours * HOUR)).toBe(slot === undefined ? undefined : slot * HOUR);
});
