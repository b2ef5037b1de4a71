import { describe, expect, test } from '@jest/globals';
import { canonical } from '@millrace/kernel';
import fc from 'fast-check';
import { models, MODELS, type Models, type ModelsCommand } from './models.decider.js';
import type { ModelsEvent } from './models.events.js';

function given(...events: ModelsEvent[]) {
  const state = events.reduce<Models>(
    (folded, event, index) => models.evolve(folded, event, { subject: MODELS, sequence: index + 1, time: index + 1, actor: 'a' }),
    models.initial(),
  );
  return {
    state,
    when: (command: ModelsCommand) => models.decide(command, state, { subject: MODELS, commandId: 'c', time: 9, actor: 'a' }),
  };
}

const registered = (modelId: string, name: string): ModelsEvent => ({
  type: 'ModelRegistered',
  data: { modelId, name, description: null, tags: {} },
});
const register = (modelId: string, name: string): ModelsCommand => ({ type: 'RegisterModel', modelId, name, description: null, tags: {} });
const taken = { kind: 'reject', rejection: expect.objectContaining({ code: 'MR_REGISTRY_MODEL_NAME_TAKEN' }) };
const notFound = { kind: 'reject', rejection: expect.objectContaining({ code: 'MR_REGISTRY_MODEL_NOT_FOUND' }) };

describe('models', () => {
  test('a name is taken by one model', () => {
    expect(given().when(register('m1', 'a'))).toEqual({ kind: 'accept', event: registered('m1', 'a') });
    expect(given(registered('m1', 'a')).when(register('m2', 'a'))).toEqual(taken);
  });

  test('a rename keeps the id, frees the old name and needs a free new one', () => {
    const renamed: ModelsEvent = { type: 'ModelRenamed', data: { modelId: 'm1', from: 'a', to: 'b' } };
    const rename: ModelsCommand = { type: 'RenameModel', name: 'a', newName: 'b' };
    expect(given(registered('m1', 'a')).when(rename)).toEqual({ kind: 'accept', event: renamed });
    expect(given(registered('m1', 'a'), registered('m2', 'b')).when(rename)).toEqual(taken);
    expect(given(registered('m1', 'a'), renamed).when(register('m3', 'a'))).toMatchObject({ kind: 'accept' });
    expect(given(registered('m1', 'a'), renamed).when(rename)).toEqual(notFound);
    expect(given(registered('m1', 'b')).when({ type: 'RenameModel', name: 'b', newName: 'b' })).toEqual({ kind: 'unchanged' });
  });

  test('a deleted model is gone and its name free', () => {
    const deleted: ModelsEvent = { type: 'ModelDeleted', data: { modelId: 'm1', name: 'a' } };
    expect(given(registered('m1', 'a')).when({ type: 'DeleteModel', name: 'a' })).toEqual({ kind: 'accept', event: deleted });
    expect(given(registered('m1', 'a'), deleted).when({ type: 'DeleteModel', name: 'a' })).toEqual(notFound);
    expect(given(registered('m1', 'a'), deleted).when(register('m2', 'a'))).toMatchObject({ kind: 'accept' });
  });

  test('description and tags change; the same again changes nothing, as does removing a tag that is not there', () => {
    const base = [
      registered('m1', 'a'),
      { type: 'ModelDescribed', data: { modelId: 'm1', description: 'd' } },
      { type: 'ModelTagged', data: { modelId: 'm1', key: 'k', value: 'v' } },
    ] satisfies ModelsEvent[];
    expect(given(...base).when({ type: 'DescribeModel', name: 'a', description: 'd' })).toEqual({ kind: 'unchanged' });
    expect(given(...base).when({ type: 'DescribeModel', name: 'a', description: 'e' })).toMatchObject({ kind: 'accept' });
    expect(given(...base).when({ type: 'TagModel', name: 'a', key: 'k', value: 'v' })).toEqual({ kind: 'unchanged' });
    expect(given(...base).when({ type: 'UntagModel', name: 'a', key: 'k' })).toMatchObject({ event: { type: 'ModelUntagged' } });
    expect(given(...base).when({ type: 'UntagModel', name: 'a', key: 'other' })).toEqual({ kind: 'unchanged' });
  });

  test('whatever is commanded, each name leads to the one model that has it', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const command: fc.Arbitrary<ModelsCommand> = fc.oneof(
      fc.tuple(fc.uuid(), name).map(([id, text]) => register(id, text)),
      fc.record({ type: fc.constant('RenameModel' as const), name, newName: name }),
      fc.record({ type: fc.constant('TagModel' as const), name, key: name, value: name }),
      fc.record({ type: fc.constant('DeleteModel' as const), name }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const events: ModelsEvent[] = [];
        for (const one of commands) {
          const { state, when } = given(...events);
          const before = canonical(state);
          const decision = when(one);
          expect(canonical(state)).toBe(before);
          if (decision.kind === 'accept') events.push(decision.event);
        }
        const { state } = given(...events);
        expect(canonical(new Map([...state.byId.values()].map((model) => [model.name, model.modelId])))).toBe(canonical(state.idOfName));
      }),
    );
  });
});
