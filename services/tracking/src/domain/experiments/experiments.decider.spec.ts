import { describe, expect, test } from '@jest/globals';
import { canonical } from '@millrace/kernel';
import fc from 'fast-check';
import { experiments, EXPERIMENTS, type Experiments, type ExperimentsCommand } from './experiments.decider.js';
import type { ExperimentsEvent } from './experiments.events.js';

const root = 'mlflow-artifacts:';

function given(...events: ExperimentsEvent[]) {
  const state = events.reduce<Experiments>(
    (folded, event, index) => experiments.evolve(folded, event, { subject: EXPERIMENTS, sequence: index + 1, time: index + 1, actor: 'a' }),
    experiments.initial(),
  );
  return {
    state,
    when: (command: ExperimentsCommand) =>
      experiments.decide(command, state, { subject: EXPERIMENTS, commandId: 'c', time: 9, actor: 'a' }),
  };
}

const created = (experimentId: string, name: string): ExperimentsEvent => ({
  type: 'ExperimentCreated',
  data: { experimentId, name, artifactLocation: `${root}/${experimentId}`, tags: {} },
});
const deleted = (experimentId: string): ExperimentsEvent => ({ type: 'ExperimentDeleted', data: { experimentId } });
const create = (name: string): ExperimentsCommand => ({
  type: 'CreateExperiment',
  name,
  artifactLocation: null,
  artifactRoot: root,
  tags: {},
});

describe('experiments', () => {
  test('the default experiment has the id 0, once', () => {
    const open = { type: 'OpenDefaultExperiment', artifactRoot: root } as const;
    expect(given().when(open)).toEqual({ kind: 'accept', event: created('0', 'Default') });
    expect(given(created('0', 'Default')).when(open)).toEqual({ kind: 'unchanged' });
  });

  test('ids count up and are not given again', () => {
    expect(given(created('0', 'Default')).when(create('a'))).toMatchObject({ event: { data: { experimentId: '1' } } });
    expect(given(created('1', 'a'), created('2', 'b'), deleted('2')).when(create('c'))).toMatchObject({
      event: { data: { experimentId: '3', artifactLocation: `${root}/3` } },
    });
  });

  test('a name is taken once, also while its experiment is deleted, and free after a rename', () => {
    const taken = { kind: 'reject', rejection: { code: 'MR_TRACKING_EXPERIMENT_NAME_TAKEN' } };
    expect(given(created('1', 'a')).when(create('a'))).toMatchObject(taken);
    expect(given(created('1', 'a'), deleted('1')).when(create('a'))).toMatchObject(taken);
    const renamed: ExperimentsEvent = { type: 'ExperimentRenamed', data: { experimentId: '1', from: 'a', to: 'b' } };
    expect(given(created('1', 'a'), renamed).when(create('a'))).toMatchObject({ kind: 'accept' });
    expect(given(created('1', 'a'), renamed).when(create('b'))).toMatchObject(taken);
  });

  test('renaming: to itself changes nothing, to a taken name and of a deleted one is refused', () => {
    const rename = (name: string): ExperimentsCommand => ({ type: 'RenameExperiment', experimentId: '1', name });
    expect(given(created('1', 'a')).when(rename('a'))).toEqual({ kind: 'unchanged' });
    expect(given(created('1', 'a'), created('2', 'b')).when(rename('b'))).toMatchObject({ kind: 'reject' });
    expect(given(created('1', 'a'), deleted('1')).when(rename('b'))).toMatchObject({
      rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_ACTIVE' },
    });
  });

  test('only what is active is deleted, only what is deleted is restored', () => {
    const notFound = { kind: 'reject', rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_FOUND' } };
    const [remove, restore] = [
      { type: 'DeleteExperiment', experimentId: '1' } as const,
      { type: 'RestoreExperiment', experimentId: '1' } as const,
    ];
    expect(given().when(remove)).toMatchObject(notFound);
    expect(given(created('1', 'a')).when(remove)).toEqual({ kind: 'accept', event: deleted('1') });
    expect(given(created('1', 'a'), deleted('1')).when(remove)).toMatchObject(notFound);
    expect(given(created('1', 'a')).when(restore)).toMatchObject(notFound);
    expect(given(created('1', 'a'), deleted('1')).when(restore)).toMatchObject({ kind: 'accept' });
  });

  test('tags are set, changed and taken away; the same value again changes nothing', () => {
    const tagged: ExperimentsEvent = { type: 'ExperimentTagged', data: { experimentId: '1', key: 'k', value: 'v' } };
    const tag = (value: string): ExperimentsCommand => ({ type: 'TagExperiment', experimentId: '1', key: 'k', value });
    const untag: ExperimentsCommand = { type: 'UntagExperiment', experimentId: '1', key: 'k' };
    expect(given(created('1', 'a')).when(tag('v'))).toEqual({ kind: 'accept', event: tagged });
    expect(given(created('1', 'a'), tagged).when(tag('v'))).toEqual({ kind: 'unchanged' });
    expect(given(created('1', 'a'), tagged).when(tag('w'))).toMatchObject({ kind: 'accept' });
    expect(given(created('1', 'a'), tagged).when(untag)).toMatchObject({ kind: 'accept' });
    expect(given(created('1', 'a')).when(untag)).toMatchObject({ rejection: { code: 'MR_TRACKING_EXPERIMENT_TAG_NOT_FOUND' } });
    const notActive = { rejection: { code: 'MR_TRACKING_EXPERIMENT_NOT_ACTIVE' } };
    expect(given(created('1', 'a'), tagged, deleted('1')).when(tag('w'))).toMatchObject(notActive);
    expect(given(created('1', 'a'), tagged, deleted('1')).when(untag)).toMatchObject(notActive);
  });

  test('whatever is commanded, names stay unique, deciding leaves the state alone, and refolding gives the same state', () => {
    const id = fc.constantFrom('0', '1', '2', '3');
    const name = fc.constantFrom('a', 'b', 'Default');
    const command: fc.Arbitrary<ExperimentsCommand> = fc.oneof(
      name.map(create),
      fc.constant({ type: 'OpenDefaultExperiment', artifactRoot: root } as const),
      fc.record({ type: fc.constant('RenameExperiment' as const), experimentId: id, name }),
      fc.record({ type: fc.constantFrom('DeleteExperiment' as const, 'RestoreExperiment' as const), experimentId: id }),
      fc.record({ type: fc.constant('TagExperiment' as const), experimentId: id, key: name, value: name }),
      fc.record({ type: fc.constant('UntagExperiment' as const), experimentId: id, key: name }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const events: ExperimentsEvent[] = [];
        let state = experiments.initial();
        for (const one of commands) {
          const before = canonical(state);
          const decision = experiments.decide(one, state, { subject: EXPERIMENTS, commandId: 'c', time: 1, actor: 'a' });
          expect(canonical(state)).toBe(before);
          if (decision.kind !== 'accept') continue;
          events.push(structuredClone(decision.event));
          state = given(...events).state;
        }
        const all = [...state.byId.values()];
        expect(new Set(all.map((experiment) => experiment.name)).size).toBe(all.length);
        expect(canonical(new Map(all.map((experiment) => [experiment.name, experiment.id])))).toBe(canonical(state.idOfName));
        expect(canonical(given(...events).state)).toBe(canonical(state));
      }),
    );
  });
});
