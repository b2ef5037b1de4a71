import { describe, expect, test } from '@jest/globals';
import { LOGGED_MODEL, loggedModel, type LoggedModelCommand, type LoggedModelState } from './logged-model.decider.js';
import type { LoggedModelEvent } from './logged-model.events.js';

const MODEL = `m-${'a'.repeat(32)}`;
const context = { subject: `${LOGGED_MODEL}/${MODEL}`, commandId: 'c', time: 9, actor: 'a' };
const base = { modelId: MODEL, experimentId: '1', name: 'm', modelType: null, sourceRunId: null, artifactUri: 'mlflow-artifacts:/1/m' };
const created: LoggedModelEvent = { type: 'LoggedModelCreated', data: { ...base, params: { depth: '3' }, tags: { team: 'ann' } } };

function given(...events: LoggedModelEvent[]) {
  const state = events.reduce<LoggedModelState>(
    (folded, event, index) => loggedModel.evolve(folded, event, { ...context, sequence: index + 1 }),
    loggedModel.initial(),
  );
  return { state, when: (command: LoggedModelCommand) => loggedModel.decide(command, state, context) };
}

const refused = (code: string) => ({ kind: 'reject', rejection: { code } });
const pair = (key: string, value: string) => ({ key, value });

describe('a logged model', () => {
  test('is created once, pending, with the last value of a key', () => {
    const create: LoggedModelCommand = { type: 'CreateLoggedModel', ...base, params: [pair('a', '1'), pair('a', '2')], tags: [] };
    expect(given().when(create)).toMatchObject({ kind: 'accept', event: { data: { params: { a: '2' } } } });
    expect(given(created).when(create)).toMatchObject(refused('MR_TRACKING_LOGGED_MODEL_EXISTS'));
    expect(given(created).state).toMatchObject({ status: 'PENDING', deleted: false });
  });

  test('is finalized, again to another outcome, and not twice to the same', () => {
    const ready: LoggedModelEvent = { type: 'LoggedModelFinalized', data: { status: 'READY' } };
    expect(given(created).when({ type: 'FinalizeLoggedModel', status: 'READY' })).toEqual({ kind: 'accept', event: ready });
    expect(given(created, ready).when({ type: 'FinalizeLoggedModel', status: 'READY' })).toEqual({ kind: 'unchanged' });
    expect(given(created, ready).when({ type: 'FinalizeLoggedModel', status: 'FAILED' })).toMatchObject({ kind: 'accept' });
  });

  test('keeps its params, and takes the same one again', () => {
    const log = (...params: ReturnType<typeof pair>[]) => given(created).when({ type: 'LogLoggedModelParams', params });
    expect(log(pair('depth', '3'))).toEqual({ kind: 'unchanged' });
    expect(log(pair('depth', '3'), pair('width', '5'))).toMatchObject({ event: { data: { params: { width: '5' } } } });
    expect(log(pair('width', '5'), pair('depth', '4'))).toMatchObject(refused('MR_TRACKING_LOGGED_MODEL_PARAM_CHANGED'));
  });

  test('is tagged and untagged', () => {
    const { when } = given(created);
    expect(when({ type: 'TagLoggedModel', tags: [pair('team', 'ann')] })).toEqual({ kind: 'unchanged' });
    expect(when({ type: 'TagLoggedModel', tags: [pair('team', 'bob')] })).toMatchObject({ event: { data: { tags: { team: 'bob' } } } });
    expect(when({ type: 'UntagLoggedModel', key: 'team' })).toMatchObject({ kind: 'accept' });
    expect(when({ type: 'UntagLoggedModel', key: 'x' })).toMatchObject(refused('MR_TRACKING_LOGGED_MODEL_TAG_NOT_FOUND'));
  });

  test('is nothing before it is created and after it is deleted', () => {
    const commands: LoggedModelCommand[] = [
      { type: 'DeleteLoggedModel' },
      { type: 'FinalizeLoggedModel', status: 'READY' },
      { type: 'TagLoggedModel', tags: [] },
    ];
    for (const command of commands) {
      expect(given().when(command)).toMatchObject(refused('MR_TRACKING_LOGGED_MODEL_NOT_FOUND'));
      expect(given(created, { type: 'LoggedModelDeleted', data: {} }).when(command)).toMatchObject(
        refused('MR_TRACKING_LOGGED_MODEL_NOT_FOUND'),
      );
    }
  });
});
