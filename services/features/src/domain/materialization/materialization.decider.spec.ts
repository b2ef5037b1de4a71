import { describe, expect, test } from '@jest/globals';
import {
  materialization,
  MOST_REJECTED_SHOWN,
  MOST_RUNS_KEPT,
  NO_ROWS,
  runningOf,
  type AskedInterval,
  type MaterializationCommand,
  type MaterializationState,
} from './materialization.decider.js';
import type { MaterializationEvent, RowCounts } from './materialization.events.js';

const HOUR = 3_600_000;
const rows: RowCounts = { read: 5, appended: 2, unchanged: 2, rejected: 1 };

type Line = readonly [time: number, event: MaterializationEvent];
const started = (id: string, from: number | null, to: number, version = 1, runner = 'p1'): MaterializationEvent => ({
  type: 'MaterializationStarted',
  data: { materializationId: id, source: 's', version, from, to, trigger: 'request', runner },
});
const progressed = (id: string, to: number, runner = 'p1'): MaterializationEvent => ({
  type: 'MaterializationProgressed',
  data: { materializationId: id, runner, to, rows, rejected: [{ time: 1, reason: 'no number' }] },
});
const finished = (id: string): MaterializationEvent => ({ type: 'MaterializationFinished', data: { materializationId: id, runner: 'p1' } });
const failed = (id: string): MaterializationEvent => ({
  type: 'MaterializationFailed',
  data: { materializationId: id, code: 'MR_X', message: 'no table' },
});

const given = (...lines: readonly Line[]): MaterializationState =>
  lines.reduce(
    (state, [time, event], index) =>
      materialization.evolve(state, event, { subject: 'materialization/s', sequence: index + 1, time, actor: 'ann' }),
    materialization.initial(),
  );
const decide = (state: MaterializationState, command: MaterializationCommand, time = 10 * HOUR): unknown =>
  materialization.decide(command, state, { subject: 'materialization/s', commandId: 'c', time, actor: 'ann' });
const start = (interval: Partial<AskedInterval>, version = 1): MaterializationCommand => ({
  type: 'StartMaterialization',
  ...{ materializationId: 'm2', source: 's', version, trigger: 'request', runner: 'p1' },
  interval: { from: undefined, to: 9 * HOUR, lookback: 0, ...interval },
});

describe('the materializations of a source', () => {
  test('begin at the first row, then at the watermark less the lookback, and at the first row again for another version', () => {
    const done = given([10 * HOUR, started('m1', null, 5 * HOUR)], [10 * HOUR, finished('m1')]);
    expect(decide(given(), start({}))).toMatchObject({ kind: 'accept', event: { data: { from: null, to: 9 * HOUR } } });
    expect(decide(done, start({}))).toMatchObject({ event: { data: { from: 5 * HOUR } } });
    expect(decide(done, start({ lookback: 2 * HOUR }))).toMatchObject({ event: { data: { from: 3 * HOUR } } });
    expect(decide(done, start({ from: HOUR, lookback: 2 * HOUR }))).toMatchObject({ event: { data: { from: HOUR } } });
    expect(decide(done, start({ from: null }))).toMatchObject({ event: { data: { from: null } } });
    expect(decide(done, start({}, 2))).toMatchObject({ event: { data: { from: null } } });
    expect(decide(done, start({ to: 5 * HOUR }))).toMatchObject({
      kind: 'reject',
      rejection: { code: 'MR_FEATURES_MATERIALIZATION_INVALID', details: { from: 5 * HOUR, to: 5 * HOUR } },
    });
  });

  test('are one at a time', () => {
    const running = given([1, started('m1', null, 5)]);
    expect(decide(running, start({}))).toMatchObject({
      kind: 'reject',
      rejection: { code: 'MR_FEATURES_MATERIALIZATION_RUNNING', details: { materializationId: 'm1' } },
    });
    expect(decide(given([1, started('m1', null, 5)], [2, failed('m1')]), start({}))).toMatchObject({ kind: 'accept' });
  });

  test.each([
    ['a run without one before', [started('m1', 3 * HOUR, 5 * HOUR)], 5 * HOUR],
    ['one that goes on', [started('m1', null, 5 * HOUR), finished('m1'), started('m2', 4 * HOUR, 7 * HOUR)], 7 * HOUR],
    ['one of earlier times', [started('m1', 5 * HOUR, 6 * HOUR), finished('m1'), started('m2', null, HOUR)], 6 * HOUR],
    ['one that leaves a gap', [started('m1', null, 5 * HOUR), finished('m1'), started('m2', 6 * HOUR, 7 * HOUR)], 5 * HOUR],
    ['one that goes beyond the time it was asked at', [started('m1', null, 50 * HOUR)], 10 * HOUR],
    ['one of another version', [started('m1', null, 5 * HOUR), finished('m1'), started('m2', HOUR, 3 * HOUR, 2)], 3 * HOUR],
  ] as const)('the watermark after %s', (_what, events, at) => {
    const last = events.findLast(({ type }) => type === 'MaterializationStarted') as {
      data: { materializationId: string; version: number };
    };
    const state = given(...[...events, finished(last.data.materializationId)].map((event) => [10 * HOUR, event] as const));
    expect(state.watermark).toEqual({ version: last.data.version, at });
  });

  test('what failed or was cancelled moves no watermark, and its progress stays to be seen', () => {
    const cancelled: MaterializationEvent = { type: 'MaterializationCancelled', data: { materializationId: 'm1' } };
    for (const [end, status] of [
      [failed('m1'), 'failed'],
      [cancelled, 'cancelled'],
    ] as const) {
      const state = given([1, started('m1', null, 5)], [2, progressed('m1', 2)], [3, progressed('m1', 3)], [4, end]);
      expect(state).toMatchObject({
        watermark: null,
        count: 1,
        runs: [{ status, reached: 3, rows: { read: 10, appended: 4, unchanged: 4, rejected: 2 }, endedAt: 4, actor: 'ann' }],
      });
      expect(runningOf(state)).toBeUndefined();
    }
  });

  test('the page in flight of a cancelled run counts, of the process that wrote it alone', () => {
    const cancelled: MaterializationEvent = { type: 'MaterializationCancelled', data: { materializationId: 'm1' } };
    const state = given([1, started('m1', null, 5)], [2, progressed('m1', 2)], [3, cancelled]);
    const page: MaterializationCommand = {
      type: 'ProgressMaterialization',
      ...{ materializationId: 'm1', runner: 'p1', to: 3, rows, rejected: [] },
    };
    expect(decide(state, page)).toMatchObject({ kind: 'accept', event: { type: 'MaterializationProgressed', data: { to: 3, rows } } });
    const isOver = { kind: 'reject', rejection: { code: 'MR_FEATURES_MATERIALIZATION_OVER' } };
    expect(decide(state, { ...page, runner: 'p2' })).toMatchObject(isOver);
    // A sign of life tells nothing of a run that is over.
    expect(decide(state, { ...page, rows: NO_ROWS })).toMatchObject(isOver);
    const counted = given([1, started('m1', null, 5)], [2, progressed('m1', 2)], [3, cancelled], [4, progressed('m1', 3)]);
    expect(counted.runs).toMatchObject([{ status: 'cancelled', endedAt: 3, reached: 3, rows: { read: 10, appended: 4 } }]);
  });

  test('another process takes over what has been silent for long, and what the first still says is void', () => {
    const running = given([1_000, started('m1', null, 5)], [2_000, progressed('m1', 2)]);
    const takeOver: MaterializationCommand = { type: 'TakeOverMaterialization', materializationId: 'm1', runner: 'p2', silentForMs: 500 };
    const progress = (runner: string): MaterializationCommand => ({
      type: 'ProgressMaterialization',
      ...{ materializationId: 'm1', runner, to: 3, rows: NO_ROWS, rejected: [] },
    });
    const isTaken = { kind: 'reject', rejection: { code: 'MR_FEATURES_MATERIALIZATION_TAKEN' } };
    expect(decide(running, takeOver, 2_499)).toMatchObject(isTaken);
    expect(decide(running, takeOver, 2_500)).toMatchObject({ kind: 'accept', event: { type: 'MaterializationTakenOver' } });
    expect(decide(running, { ...takeOver, runner: 'p1' }, 2_500)).toMatchObject({ kind: 'unchanged' });
    const taken = given(
      [1_000, started('m1', null, 5)],
      [2_000, progressed('m1', 2)],
      [2_500, { type: 'MaterializationTakenOver', data: { materializationId: 'm1', runner: 'p2' } }],
    );
    expect(decide(taken, progress('p1'))).toMatchObject(isTaken);
    expect(decide(taken, progress('p2'))).toMatchObject({ kind: 'accept' });
    expect(decide(taken, { type: 'FinishMaterialization', materializationId: 'm1', runner: 'p1' })).toMatchObject(isTaken);
    expect(decide(taken, { ...takeOver, runner: 'p3' }, 2_501)).toMatchObject(isTaken);
  });

  test('what is over goes no further; cancelling twice is cancelling once', () => {
    const done = given([1, started('m1', null, 5)], [2, finished('m1')]);
    const cancel: MaterializationCommand = { type: 'CancelMaterialization', materializationId: 'm1' };
    expect(decide(done, cancel)).toMatchObject({ kind: 'reject', rejection: { code: 'MR_FEATURES_MATERIALIZATION_OVER' } });
    const cancelled = given([1, started('m1', null, 5)], [2, { type: 'MaterializationCancelled', data: { materializationId: 'm1' } }]);
    expect(decide(cancelled, cancel)).toMatchObject({ kind: 'unchanged' });
    expect(decide(cancelled, { type: 'FinishMaterialization', materializationId: 'm1', runner: 'p1' })).toMatchObject({
      rejection: { code: 'MR_FEATURES_MATERIALIZATION_OVER' },
    });
    expect(decide(done, { ...cancel, materializationId: 'mx' })).toMatchObject({
      rejection: { code: 'MR_FEATURES_MATERIALIZATION_NOT_FOUND' },
    });
  });

  test('the state is bounded', () => {
    const lines: Line[] = [];
    for (let n = 0; n < MOST_RUNS_KEPT + 5; n++) lines.push([n, started(`m${n}`, n, n + 1)], [n, failed(`m${n}`)]);
    lines.push([9, started('last', 0, 1)], ...Array.from({ length: MOST_REJECTED_SHOWN + 5 }, (_, n): Line => [n, progressed('last', n)]));
    const state = given(...lines);
    expect([state.count, state.runs.length, state.runs.at(-1)?.rejected.length]).toEqual([
      MOST_RUNS_KEPT + 6,
      MOST_RUNS_KEPT,
      MOST_REJECTED_SHOWN,
    ]);
  });
});
