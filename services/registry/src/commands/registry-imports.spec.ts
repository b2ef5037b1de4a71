import { describe, expect, test } from '@jest/globals';
import type { CommandMetadata, Ids } from '@millrace/kernel';
import type { ModelCommand } from '../domain/model/model.decider.js';
import type { RegistryView } from '../queries/registry-view.js';
import type { RegistryCommands } from './registry-commands.js';
import { RegistryImports, type ImportedRelease } from './registry-imports.js';

const THERE = 'http://there';
const METADATA: CommandMetadata = { commandId: 'c', actor: 'importer', now: 9 };
const IMPORTED = { origin: THERE, createdAt: 5, updatedAt: 5, stage: 'None', userId: 'ana' } as const;
const RELEASE: ImportedRelease = {
  ...{ version: 1, source: 's', runId: null, runLink: null, description: 'said there', tags: { a: '2', b: '1' } },
  imported: { ...IMPORTED, stage: 'Production' },
};

/** A model with versions 1 and 2 that were brought; a policy governs stage Production and alias `guarded`. */
function imports(version: object = {}, aliases: Record<string, number> = {}, ours: readonly string[] = []) {
  const given: ModelCommand[] = [];
  const one = (number: number) => ({ version: number, stage: 'None', description: null, tags: new Map([['a', '1']]), imported: IMPORTED });
  const versions = new Map([1, 2].map((number) => [number, { ...one(number), ...(number === 1 ? version : {}) }]));
  const model = { versions, aliases: new Map(Object.entries(aliases)), importedAliases: new Map(ours.map((alias) => [alias, THERE])) };
  const view = {
    upToDate: () => Promise.resolve(),
    model: () => ({ model }),
    version: (_: string, number: number) => ({ version: versions.get(number) }),
  };
  const commands = {
    version: (_: string, command: ModelCommand) => {
      given.push(command);
      const isGoverned = command.type === 'MoveVersion' || (command.type === 'AssignAlias' && command.alias === 'guarded');
      const rejection = { code: 'MR_REGISTRY_PROMOTION_REQUIRED', message: 'governed by policy p' };
      return Promise.resolve(isGoverned ? { kind: 'rejected', rejection } : { kind: 'written', value: undefined, position: {} });
    },
  };
  const ids = { derived: (...parts: string[]) => parts.join('.') };
  const made = new RegistryImports(commands as unknown as RegistryCommands, view as unknown as RegistryView, ids as unknown as Ids);
  return { imports: made, given };
}

describe('a version that is here from before', () => {
  test('follows what was changed there, and a refusal keeps nothing else away', async () => {
    const { imports: one, given } = imports();
    expect(await one.version('delay', RELEASE, METADATA)).toMatchObject({
      value: { created: undefined, changedHere: [], refused: [{ what: 'stage', message: 'governed by policy p' }] },
    });
    expect(given.map(({ type }) => type)).toEqual(['MoveVersion', 'DescribeVersion', 'TagVersion', 'TagVersion']);
    expect(given.every((command) => 'importedFrom' in command && command.importedFrom === THERE)).toBe(true);
  });

  test('keeps what was changed here', async () => {
    const { imports: one, given } = imports({ changedHere: new Set(['stage', 'description', 'tag:a']) });
    await one.version('delay', RELEASE, METADATA);
    expect(given).toEqual([{ type: 'TagVersion', version: 1, key: 'b', value: '1', importedFrom: THERE }]);
  });

  test('is not taken for one of another model that has its name there now', async () => {
    const { imports: one, given } = imports();
    const other = { ...RELEASE, imported: { ...IMPORTED, createdAt: 6 } };
    expect(await one.version('delay', other, METADATA)).toMatchObject({
      kind: 'rejected',
      rejection: { code: 'MR_REGISTRY_VERSION_EXISTS' },
    });
    expect(given).toEqual([]);
  });
});

describe('what is left of a model', () => {
  test('is its aliases and what was deleted there, each by itself', async () => {
    const { imports: one, given } = imports({}, { moved: 1, mine: 1, gone: 1 }, ['moved', 'gone']);
    const aliases = new Map(Object.entries({ guarded: 1, fresh: 1, moved: 2, mine: 2 }));
    expect(await one.rest('delay', THERE, aliases, new Set([1]), METADATA)).toMatchObject({
      value: { aliases: 1, left: ['alias:mine'], refused: [{ what: 'alias:guarded', message: 'governed by policy p' }] },
    });
    expect(given.map((command) => [command.type, 'alias' in command ? command.alias : 'version' in command && command.version])).toEqual([
      ['AssignAlias', 'guarded'],
      ['AssignAlias', 'fresh'],
      ['AssignAlias', 'moved'],
      ['RemoveAlias', 'gone'],
      ['DeleteVersion', 2],
    ]);
  });

  test('a version that was deleted there stays when somebody here has changed it or named it', async () => {
    const changed = imports({ changedHere: new Set(['stage']) });
    expect(await changed.imports.rest('delay', THERE, new Map(), new Set([2]), METADATA)).toMatchObject({ value: { left: ['version:1'] } });
    const named = imports({}, { mine: 1 });
    expect(await named.imports.rest('delay', THERE, new Map(), new Set([2]), METADATA)).toMatchObject({ value: { left: ['version:1'] } });
    expect([...changed.given, ...named.given]).toEqual([]);
  });
});
