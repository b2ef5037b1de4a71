import { describe, expect, test } from '@jest/globals';
import { IMPORTED_FROM_TAG, run, RUN_NAME_TAG, type Run, type RunCommand, type RunState } from './run.decider.js';
import type { RunEvent } from './run.events.js';

const THERE = 'http://there';

function given(...events: RunEvent[]) {
  const context = { subject: 'run/r1', time: 1, actor: 'a' };
  const fold = (folded: RunState, event: RunEvent, index: number): RunState =>
    run.evolve(folded, event, { ...context, sequence: index + 1 });
  const state = events.reduce<RunState>(fold, run.initial());
  return { state: state as Run, when: (command: RunCommand) => run.decide(command, state, { ...context, commandId: 'c' }) };
}

const created = (tags: Record<string, string>): RunEvent => ({
  type: 'RunCreated',
  data: { runId: 'r1', experimentId: '1', name: 'calm', userId: 'u', startTime: 5, artifactUri: 'mlflow-artifacts:/1/r1/artifacts', tags },
});
const BROUGHT = created({ [RUN_NAME_TAG]: 'calm', [IMPORTED_FROM_TAG]: THERE });

describe('a run that was brought from another server', () => {
  test('knows what people have changed here, and not what an import has followed', () => {
    const followed: RunEvent[] = [
      { type: 'RunFinished', data: { status: 'FINISHED', endTime: 9, name: 'bold', importedFrom: THERE } },
      { type: 'RunAnnotated', data: { params: {}, tags: { team: 'a' }, importedFrom: THERE } },
      { type: 'RunDeleted', data: { importedFrom: THERE } },
      { type: 'RunRestored', data: { importedFrom: THERE } },
    ];
    expect(given(BROUGHT, ...followed).state).toMatchObject({ name: 'bold', deleted: false });
    expect(given(BROUGHT, ...followed).state.changedHere).toBeUndefined();
    const here: RunEvent[] = [
      { type: 'RunUpdated', data: { status: null, endTime: null, name: 'mine' } },
      { type: 'RunAnnotated', data: { params: { p: '1' }, tags: { team: 'b' } } },
      { type: 'RunUntagged', data: { key: 'old' } },
      { type: 'RunDeleted', data: {} },
    ];
    expect([...(given(BROUGHT, ...here).state.changedHere ?? [])]).toEqual(['run_name', 'tag:team', 'tag:old', 'lifecycle_stage']);
  });

  test('says in what it changes that an import did', () => {
    expect(given(BROUGHT).when({ type: 'DeleteRun', importedFrom: THERE })).toMatchObject({ event: { data: { importedFrom: THERE } } });
    expect(given(BROUGHT).when({ type: 'DeleteRun' })).toMatchObject({ event: { data: {} } });
    const renamed = given(BROUGHT).when({ type: 'UpdateRun', status: null, endTime: null, name: 'bold', importedFrom: THERE });
    expect(renamed).toMatchObject({ event: { type: 'RunUpdated', data: { name: 'bold', importedFrom: THERE } } });
  });

  test('of a run that was made here nothing is kept', () => {
    const state = given(created({}), { type: 'RunDeleted', data: {} }).state;
    expect(state).not.toHaveProperty('changedHere');
  });
});
