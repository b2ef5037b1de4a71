import { describe, expect, test } from '@jest/globals';
import { IMPORTED_FROM_TAG } from '../run/run.decider.js';
import { LOGGED_MODEL, loggedModel, type LoggedModelCommand, type LoggedModelState } from './logged-model.decider.js';
import type { LoggedModelEvent } from './logged-model.events.js';

const THERE = 'http://there';
const MODEL = `m-${'a'.repeat(32)}`;
const context = { subject: `${LOGGED_MODEL}/${MODEL}`, commandId: 'c', time: 9, actor: 'a' };
const base = { modelId: MODEL, experimentId: '1', name: 'm', modelType: null, sourceRunId: null, artifactUri: 'mlflow-artifacts:/1/m' };
const imported = { origin: THERE, createdAt: 3, updatedAt: 5, status: 'READY' } as const;
const BROUGHT: LoggedModelEvent = {
  type: 'LoggedModelCreated',
  data: { ...base, params: {}, tags: { [IMPORTED_FROM_TAG]: THERE, old: '1' }, imported },
};

function given(...events: LoggedModelEvent[]) {
  const state = events.reduce<LoggedModelState>(
    (folded, event, index) => loggedModel.evolve(folded, event, { ...context, sequence: index + 1 }),
    loggedModel.initial(),
  );
  return { state, when: (command: LoggedModelCommand) => loggedModel.decide(command, state, context) };
}

describe('a logged model that was brought from another server', () => {
  test('has the times and the status that it had there', () => {
    expect(given(BROUGHT).state).toMatchObject({ createdAt: 3, updatedAt: 5, status: 'READY' });
    const create: LoggedModelCommand = { type: 'CreateLoggedModel', ...base, params: [], tags: [], imported };
    expect(given().when(create)).toMatchObject({ event: { data: { imported } } });
  });

  test('knows what people have changed here, and not what an import has followed', () => {
    const followed: LoggedModelEvent[] = [
      { type: 'LoggedModelFinalized', data: { status: 'FAILED', importedFrom: THERE } },
      { type: 'LoggedModelTagged', data: { tags: { team: 'a' }, importedFrom: THERE } },
      { type: 'LoggedModelParamsLogged', data: { params: { depth: '3' } } },
    ];
    expect(given(BROUGHT, ...followed).state).toMatchObject({ status: 'FAILED', updatedAt: 9 });
    expect(given(BROUGHT, ...followed).state?.changedHere).toBeUndefined();
    const here: LoggedModelEvent[] = [
      { type: 'LoggedModelFinalized', data: { status: 'FAILED' } },
      { type: 'LoggedModelTagged', data: { tags: { team: 'b' } } },
      { type: 'LoggedModelUntagged', data: { key: 'old' } },
    ];
    expect([...(given(BROUGHT, ...here).state?.changedHere ?? [])]).toEqual(['status', 'tag:team', 'tag:old']);
  });

  test('says in what it changes that an import did; of one that was made here nothing is kept', () => {
    const tag = { type: 'TagLoggedModel', tags: [{ key: 'team', value: 'a' }], importedFrom: THERE } as const;
    expect(given(BROUGHT).when(tag)).toMatchObject({ event: { data: { importedFrom: THERE } } });
    const finalize = { type: 'FinalizeLoggedModel', status: 'FAILED', importedFrom: THERE } as const;
    expect(given(BROUGHT).when(finalize)).toMatchObject({ event: { data: { importedFrom: THERE } } });
    const made: LoggedModelEvent = { type: 'LoggedModelCreated', data: { ...base, params: {}, tags: {} } };
    expect(given(made, { type: 'LoggedModelFinalized', data: { status: 'READY' } }).state).not.toHaveProperty('changedHere');
  });
});
