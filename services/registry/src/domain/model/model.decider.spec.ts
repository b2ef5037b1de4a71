import { describe, expect, test } from '@jest/globals';
import { canonical } from '@millrace/kernel';
import fc from 'fast-check';
import { aliasesOf, model, type Model, type ModelCommand } from './model.decider.js';
import { STAGES, type ModelEvent, type Stage } from './model.events.js';

const subject = 'model/m1';

function given(...events: ModelEvent[]) {
  const state = events.reduce<Model>(
    (folded, event, index) => model.evolve(folded, event, { subject, sequence: index + 1, time: index + 1, actor: 'ann' }),
    model.initial(),
  );
  return { state, when: (command: ModelCommand) => model.decide(command, state, { subject, commandId: 'c', time: 9, actor: 'a' }) };
}

const source = {
  name: 'delay',
  source: 'mlflow-artifacts:/1/r1/artifacts/model',
  artifactPath: '1/r1/artifacts/model',
  digest: 'd'.repeat(64),
  runId: 'r1',
  runLink: null,
  description: null,
  tags: {},
};
const registered = (version: number): ModelEvent => ({ type: 'VersionRegistered', data: { version, ...source } });
const moved = (version: number, from: Stage, to: Stage, archived: number[] = []): ModelEvent => ({
  type: 'VersionMoved',
  data: { version, from, to, archived },
});
const assigned = (alias: string, version: number, previous: number | null = null): ModelEvent => ({
  type: 'AliasAssigned',
  data: { alias, version, previous },
});
const deleted = (version: number, ...aliases: string[]): ModelEvent => ({ type: 'VersionDeleted', data: { version, aliases } });
const move = (version: number, to: Stage, archiveOthers = false): ModelCommand => ({ type: 'MoveVersion', version, to, archiveOthers });
const notFound = { kind: 'reject', rejection: expect.objectContaining({ code: 'MR_REGISTRY_VERSION_NOT_FOUND' }) };

describe('model', () => {
  test('versions count up, and a deleted number is not given again', () => {
    const register: ModelCommand = { type: 'RegisterVersion', ...source };
    expect(given().when(register)).toEqual({ kind: 'accept', event: registered(1) });
    expect(given(registered(1), registered(2), deleted(2)).when(register)).toEqual({ kind: 'accept', event: registered(3) });
  });

  test('nothing is decided about a version that is not there', () => {
    for (const command of [
      move(1, 'Staging'),
      { type: 'DeleteVersion', version: 1 },
      { type: 'AssignAlias', alias: 'a', version: 1 },
      { type: 'TagVersion', version: 1, key: 'k', value: 'v' },
      { type: 'DescribeVersion', version: 1, description: 'd' },
    ] satisfies ModelCommand[]) {
      expect(given().when(command)).toEqual(notFound);
      expect(given(registered(1), deleted(1)).when(command)).toEqual(notFound);
    }
  });

  test('moving archives the others of the stage when asked to, in the same decision', () => {
    const base = [registered(1), registered(2), registered(3), moved(1, 'None', 'Production'), moved(3, 'None', 'Production')];
    expect(given(...base).when(move(2, 'Production'))).toEqual({ kind: 'accept', event: moved(2, 'None', 'Production') });
    expect(given(...base).when(move(2, 'Production', true))).toEqual({ kind: 'accept', event: moved(2, 'None', 'Production', [1, 3]) });
    const { state } = given(...base, moved(2, 'None', 'Production', [1, 3]));
    expect([...state.versions.values()].map((version) => version.stage)).toEqual(['Archived', 'Production', 'Archived']);
  });

  test('moving to where it is changes nothing, unless others leave', () => {
    const base = [registered(1), registered(2), moved(1, 'None', 'Staging'), moved(2, 'None', 'Staging')];
    expect(given(...base).when(move(1, 'Staging'))).toEqual({ kind: 'unchanged' });
    expect(given(...base).when(move(1, 'Staging', true))).toEqual({ kind: 'accept', event: moved(1, 'Staging', 'Staging', [2]) });
  });

  test.each(['None', 'Archived'] as const)('%s holds many, so moving there cannot archive others', (stage) => {
    expect(given(registered(1)).when(move(1, stage, true))).toEqual({
      kind: 'reject',
      rejection: expect.objectContaining({ code: 'MR_REGISTRY_STAGE_CANNOT_ARCHIVE' }),
    });
  });

  test('an alias points to one version and says where it pointed before', () => {
    const base = [registered(1), registered(2), assigned('champion', 1)];
    const assign: ModelCommand = { type: 'AssignAlias', alias: 'champion', version: 2 };
    expect(given(...base).when(assign)).toEqual({ kind: 'accept', event: assigned('champion', 2, 1) });
    expect(given(...base, assigned('champion', 2, 1)).when(assign)).toEqual({ kind: 'unchanged' });
    expect(given(...base).when({ type: 'RemoveAlias', alias: 'champion' })).toEqual({
      kind: 'accept',
      event: { type: 'AliasRemoved', data: { alias: 'champion', version: 1 } },
    });
    expect(given(...base).when({ type: 'RemoveAlias', alias: 'other' })).toEqual({ kind: 'unchanged' });
  });

  test('a deleted version takes its aliases with it', () => {
    const base = [registered(1), assigned('b', 1), assigned('a', 1)];
    expect(given(...base).when({ type: 'DeleteVersion', version: 1 })).toEqual({ kind: 'accept', event: deleted(1, 'a', 'b') });
    expect(given(...base, deleted(1, 'a', 'b')).state.aliases.size).toBe(0);
  });

  test('remembers who registered a version and when', () => {
    expect(given(registered(1)).state.versions.get(1)).toMatchObject({ actor: 'ann', createdAt: 1, stage: 'None' });
  });

  test('whatever is commanded, aliases point to versions that are there, and numbers only grow', () => {
    const version = fc.integer({ min: 1, max: 5 });
    const alias = fc.constantFrom('a', 'b');
    const command: fc.Arbitrary<ModelCommand> = fc.oneof(
      fc.constant<ModelCommand>({ type: 'RegisterVersion', ...source }),
      fc.record({
        type: fc.constant('MoveVersion' as const),
        version,
        to: fc.constantFrom(...STAGES),
        archiveOthers: fc.boolean(),
      }),
      fc.record({ type: fc.constant('AssignAlias' as const), alias, version }),
      fc.record({ type: fc.constant('RemoveAlias' as const), alias }),
      fc.record({ type: fc.constant('DeleteVersion' as const), version }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const events: ModelEvent[] = [];
        let last = 0;
        for (const one of commands) {
          const { state, when } = given(...events);
          const before = canonical(state);
          const decision = when(one);
          expect(canonical(state)).toBe(before);
          if (decision.kind !== 'accept') continue;
          if (decision.event.type === 'VersionRegistered') expect(decision.event.data.version).toBe(++last);
          events.push(structuredClone(decision.event));
        }
        const { state } = given(...events);
        for (const [name, target] of state.aliases) expect(aliasesOf(state, target)).toContain(name);
        for (const target of state.aliases.values()) expect(state.versions.has(target)).toBe(true);
      }),
    );
  });
});
