import { expect, test } from '@jest/globals';
import { refusalOf, type ServingPolicy } from './admission.js';
import { evolveModel, type ModelState } from './model-catalog.js';

const policy = (change: Partial<ServingPolicy>): ServingPolicy => ({
  ...{ name: 'champions', models: ['delay'], stages: [], aliases: ['champion'], governsServing: true },
  ...change,
});

function modelWith(events: readonly (readonly [type: string, data: object])[], imported?: object): ModelState {
  const state: ModelState = { versions: new Map(), aliases: new Map() };
  const registered = { version: 1, name: 'delay', source: '', artifactPath: null, digest: null, ...(imported ? { imported } : {}) };
  for (const [type, data] of [['VersionRegistered', registered], ...events] as const) evolveModel(state, { type, data } as never);
  return state;
}

const isServed = (policies: readonly ServingPolicy[], state: ModelState): boolean =>
  refusalOf(policies, 'delay', state.versions.get(1)?.held ?? new Set()) === undefined;

const assigned = (alias: string) => ['AliasAssigned', { alias, version: 1 }] as const;
const removed = (alias: string) => ['AliasRemoved', { alias, version: 1 }] as const;
const moved = (to: string, archived: readonly number[] = []) => ['VersionMoved', { version: 1, to, archived }] as const;

test.each<[string, readonly ServingPolicy[], ModelState, boolean]>([
  ['no policy', [], modelWith([]), true],
  ['one that governs moves alone', [policy({ governsServing: false })], modelWith([]), true],
  ['one of other models', [policy({ models: ['eta*'] })], modelWith([]), true],
  ['nothing held', [policy({})], modelWith([]), false],
  ['the alias', [policy({})], modelWith([assigned('champion')]), true],
  ['the alias, once', [policy({})], modelWith([assigned('champion'), removed('champion')]), true],
  ['an alias nobody governs', [policy({})], modelWith([assigned('mine')]), false],
  ['an alias by a pattern', [policy({ aliases: ['champion-*'] })], modelWith([assigned('champion-eu')]), true],
  [
    'an alias of another policy',
    [policy({}), policy({ name: 'b', aliases: ['challenger'], governsServing: false })],
    modelWith([assigned('challenger')]),
    true,
  ],
  ['an alias of a policy of other models', [policy({}), policy({ models: ['x'], aliases: ['*'] })], modelWith([assigned('mine')]), false],
  ['a stage, once', [policy({ stages: ['Production'] })], modelWith([moved('Production'), moved('Archived')]), true],
  ['a stage it was brought in', [policy({ stages: ['Production'] })], modelWith([], { stage: 'Production' }), true],
  ['where it is put away', [policy({ stages: ['None', 'Archived'] })], modelWith([moved('Archived'), moved('None')]), false],
  ['signed anew since', [policy({})], modelWith([assigned('champion'), ['VersionSigned', { version: 1, signature: {} }]]), true],
])('a version is served or not by what it has held: %s', (_, policies, state, expected) => {
  expect(isServed(policies, state)).toBe(expected);
});

test('why not names the version, the policies and the command that mends it', () => {
  expect(refusalOf([policy({ stages: ['Production'] })], 'delay', new Set())?.(5)).toBe(
    'policy champions keeps version 5 of model "delay" from being served: it has never held alias champion or stage Production; ' +
      'ask for it with "millrace models request delay 5 --alias champion"',
  );
  expect(
    refusalOf(
      [
        policy({ models: ['*'], aliases: ['c*'] }),
        policy({ name: 'b', models: ['*'], aliases: [], stages: ['Staging', 'Archived'] }),
        policy({ name: 'of others', models: ['eta'] }),
      ],
      'a b',
      new Set(),
    )?.(1),
  ).toBe(
    'policies champions, b keep version 1 of model "a b" from being served: it has never held alias c* or stage Staging; ' +
      `ask for it with "millrace models request 'a b' 1 --stage Staging"`,
  );
});
