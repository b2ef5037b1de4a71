import { describe, expect, test } from '@jest/globals';
import { canonical } from '@millrace/kernel';
import fc from 'fast-check';
import { MODEL_HISTORY_TAG, run, RUN_NAME_TAG, type Run, type RunCommand, type RunState } from './run.decider.js';
import type { DatasetInput, RunEvent } from './run.events.js';

const subject = 'run/r1';

function given(...events: RunEvent[]) {
  const state = events.reduce<RunState>(
    (folded, event, index) => run.evolve(folded, event, { subject, sequence: index + 1, time: index + 1, actor: 'a' }),
    run.initial(),
  );
  return {
    state: state as Run,
    when: (command: RunCommand) => run.decide(command, state, { subject, commandId: 'c', time: 9, actor: 'a' }),
  };
}

const creation = {
  runId: 'r1',
  experimentId: '1',
  name: 'calm-otter',
  userId: 'u',
  startTime: 5,
  artifactUri: 'mlflow-artifacts:/1/r1/artifacts',
};
const created: RunEvent = { type: 'RunCreated', data: { ...creation, tags: { [RUN_NAME_TAG]: 'calm-otter' } } };
const deleted: RunEvent = { type: 'RunDeleted', data: {} };
const annotated = (params: Record<string, string>, tags: Record<string, string> = {}): RunEvent => ({
  type: 'RunAnnotated',
  data: { params, tags },
});
const annotate = (params: Record<string, string>, tags: Record<string, string> = {}): RunCommand => {
  const pairs = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => ({ key, value }));
  return { type: 'AnnotateRun', params: pairs(params), tags: pairs(tags) };
};
const rejected = (code: string) => ({ kind: 'reject', rejection: expect.objectContaining({ code }) });

describe('run', () => {
  test('is created once, with its name among its tags', () => {
    const create: RunCommand = { type: 'CreateRun', ...creation, tags: [{ key: 'k', value: 'v' }] };
    expect(given().when(create)).toEqual({
      kind: 'accept',
      event: { type: 'RunCreated', data: { ...creation, tags: { k: 'v', [RUN_NAME_TAG]: 'calm-otter' } } },
    });
    expect(given(created).when(create)).toEqual(rejected('MR_TRACKING_RUN_EXISTS'));
  });

  test('nothing is decided about a run that is not there', () => {
    expect(given().when({ type: 'DeleteRun' })).toEqual(rejected('MR_TRACKING_RUN_NOT_FOUND'));
    expect(given().when(annotate({ a: '1' }))).toEqual(rejected('MR_TRACKING_RUN_NOT_FOUND'));
  });

  test('a final status finishes it, another updates it, the same again changes nothing', () => {
    const update = (status: 'FINISHED' | 'SCHEDULED' | null, endTime: number | null = null, name: string | null = null): RunCommand => ({
      type: 'UpdateRun',
      status,
      endTime,
      name,
    });
    expect(given(created).when(update('FINISHED', 9))).toEqual({
      kind: 'accept',
      event: { type: 'RunFinished', data: { status: 'FINISHED', endTime: 9, name: null } },
    });
    expect(given(created).when(update('SCHEDULED'))).toMatchObject({ event: { type: 'RunUpdated' } });
    expect(given(created).when(update(null, null, 'other'))).toMatchObject({ event: { type: 'RunUpdated', data: { name: 'other' } } });
    expect(given(created).when(update(null, null, ''))).toEqual({ kind: 'unchanged' });
    const finished: RunEvent = { type: 'RunFinished', data: { status: 'FINISHED', endTime: 9, name: 'other' } };
    expect(given(created, finished).when(update('FINISHED', 9, 'other'))).toEqual({ kind: 'unchanged' });
    const { state } = given(created, finished);
    expect([state.status, state.endTime, state.name, state.tags.get(RUN_NAME_TAG)]).toEqual(['FINISHED', 9, 'other', 'other']);
  });

  test('a param keeps its value: the same again changes nothing, another is refused with all that came beside it', () => {
    expect(given(created, annotated({ a: '1' })).when(annotate({ a: '1' }))).toEqual({ kind: 'unchanged' });
    expect(given(created, annotated({ a: '1' })).when(annotate({ b: '2', a: '3' }, { t: 'x' }))).toEqual(
      rejected('MR_TRACKING_PARAM_CHANGED'),
    );
    expect(given(created, annotated({ a: '1' })).when(annotate({ a: '1', b: '2' }))).toEqual({
      kind: 'accept',
      event: annotated({ b: '2' }),
    });
  });

  test('a param named twice in one batch is refused, a tag named twice takes the last value', () => {
    const params = [
      { key: 'a', value: '1' },
      { key: 'a', value: '1' },
    ];
    expect(given(created).when({ type: 'AnnotateRun', params, tags: [] })).toEqual(rejected('MR_TRACKING_PARAM_REPEATED'));
    const tags = [
      { key: 'a', value: '1' },
      { key: 'a', value: '2' },
    ];
    expect(given(created).when({ type: 'AnnotateRun', params: [], tags })).toEqual({ kind: 'accept', event: annotated({}, { a: '2' }) });
  });

  test('the name tag is the name', () => {
    expect(given(created, annotated({}, { [RUN_NAME_TAG]: 'new' })).state.name).toBe('new');
  });

  test('a deleted run takes nothing but restoring; deleting and restoring twice changes nothing', () => {
    for (const command of [annotate({}), { type: 'UntagRun', key: 'k' } as const, { type: 'LogDatasets', inputs: [] } as const]) {
      expect(given(created, deleted).when(command)).toEqual(rejected('MR_TRACKING_RUN_NOT_ACTIVE'));
    }
    expect(given(created, deleted).when({ type: 'DeleteRun' })).toEqual({ kind: 'unchanged' });
    expect(given(created).when({ type: 'RestoreRun' })).toEqual({ kind: 'unchanged' });
    expect(given(created, deleted).when({ type: 'RestoreRun' })).toEqual({ kind: 'accept', event: { type: 'RunRestored', data: {} } });
  });

  test('a tag that is not there cannot be taken away', () => {
    expect(given(created).when({ type: 'UntagRun', key: 'k' })).toEqual(rejected('MR_TRACKING_RUN_TAG_NOT_FOUND'));
    expect(given(created, annotated({}, { k: 'v' })).when({ type: 'UntagRun', key: 'k' })).toMatchObject({ kind: 'accept' });
  });

  test('a data set is an input once', () => {
    const input = (name: string): DatasetInput => ({
      name,
      digest: 'd',
      sourceType: 'local',
      source: 's',
      schema: null,
      profile: null,
      tags: {},
    });
    const logged: RunEvent = { type: 'DatasetsLogged', data: { inputs: [input('a')] } };
    expect(given(created).when({ type: 'LogDatasets', inputs: [input('a'), input('a')] })).toEqual({ kind: 'accept', event: logged });
    expect(given(created, logged).when({ type: 'LogDatasets', inputs: [input('a')] })).toEqual({ kind: 'unchanged' });
  });

  test('a recorded model joins the list its tag holds, whatever the tag held before', () => {
    const record: RunCommand = { type: 'RecordModel', model: { path: 'b' } };
    const recorded = (text: string) => ({ event: { data: { tags: { [MODEL_HISTORY_TAG]: text } } } });
    expect(given(created).when(record)).toMatchObject(recorded('[{"path":"b"}]'));
    expect(given(created, annotated({}, { [MODEL_HISTORY_TAG]: '[1]' })).when(record)).toMatchObject(recorded('[1,{"path":"b"}]'));
    expect(given(created, annotated({}, { [MODEL_HISTORY_TAG]: 'no list' })).when(record)).toMatchObject(recorded('[{"path":"b"}]'));
  });

  test('whatever is commanded, params never change, deciding leaves the state alone, and a repeated annotation changes nothing', () => {
    const key = fc.constantFrom('a', 'b', '__proto__');
    const value = fc.constantFrom('1', '2');
    const pairs = fc.array(fc.record({ key, value }), { maxLength: 3 });
    const command: fc.Arbitrary<RunCommand> = fc.oneof(
      fc.record({ type: fc.constant('AnnotateRun' as const), params: pairs, tags: pairs }),
      fc.record({ type: fc.constant('UntagRun' as const), key }),
      fc.record({ type: fc.constantFrom('DeleteRun' as const, 'RestoreRun' as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const events: RunEvent[] = [created];
        const params = new Map<string, string>();
        for (const one of commands) {
          const { state, when } = given(...events);
          const before = canonical(state);
          const decision = when(one);
          expect(canonical(state)).toBe(before);
          if (decision.kind !== 'accept') continue;
          // As the log keeps it.
          events.push(JSON.parse(JSON.stringify(decision.event)) as RunEvent);
          const next = given(...events);
          if (one.type === 'AnnotateRun') expect(next.when(one)).toEqual({ kind: 'unchanged' });
          for (const [name, logged] of next.state.params) {
            expect(params.get(name) ?? logged).toBe(logged);
            params.set(name, logged);
          }
        }
      }),
    );
  });
});
