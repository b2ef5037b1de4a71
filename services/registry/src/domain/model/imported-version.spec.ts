import { describe, expect, test } from '@jest/globals';
import { deciderSpec } from '@millrace/kernel/testing';
import { model, type ModelCommand } from './model.decider.js';
import type { ImportedVersion, ModelEvent, VersionRegistered } from './model.events.js';

const IMPORTED: ImportedVersion = { origin: 'http://there', createdAt: 5, updatedAt: 7, stage: 'Production', userId: 'ana' };
const version = (number: number, imported: ImportedVersion = IMPORTED): VersionRegistered & { imported: ImportedVersion } => ({
  ...{ version: number, name: 'delay', source: 'mlflow-artifacts:/1/r/artifacts/model', artifactPath: '1/r/artifacts/model', digest: null },
  ...{ runId: null, runLink: null, description: null, tags: {}, imported },
});
const brought = (number: number): ModelEvent => ({ type: 'VersionRegistered', data: version(number) });
const bring = (number: number, imported?: ImportedVersion): ModelCommand => ({ type: 'ImportVersion', ...version(number, imported) });

describe('a version that is brought from another server', () => {
  const spec = deciderSpec(model, { time: 1000, actor: 'importer' });

  test('keeps its number, stage, times and user', () => {
    const state = spec.given().when(bring(3)).accepts(brought(3));
    expect(state.versions.get(3)).toMatchObject({ stage: 'Production', createdAt: 5, updatedAt: 7, actor: 'ana' });
    expect(state).toMatchObject({ lastVersion: 3, updatedAt: 7 });
  });

  test('leaves gaps, and the next version registered here counts on from it', () => {
    spec.given(brought(1)).when(bring(4)).accepts(brought(4));
    const { imported: _, version: __, ...own } = version(0);
    const after = spec.given(brought(4)).when({ type: 'RegisterVersion', ...own });
    expect(after.decision).toMatchObject({ kind: 'accept', event: { data: { version: 5 } } });
  });

  test('is brought once; a number that was given here is not given again', () => {
    spec.given(brought(1), brought(2)).when(bring(1)).unchanged();
    spec.given(brought(2)).when(bring(1)).rejects('MR_REGISTRY_VERSION_EXISTS', { version: 1 });
    spec
      .given(brought(2))
      .when(bring(2, { ...IMPORTED, origin: 'http://elsewhere' }))
      .rejects('MR_REGISTRY_VERSION_EXISTS');
    spec
      .given(brought(2), { type: 'VersionDeleted', data: { version: 2, aliases: [] } })
      .when(bring(2))
      .rejects('MR_REGISTRY_VERSION_EXISTS');
  });

  test('knows what people have changed here, and not what an import has followed', () => {
    const importedFrom = 'http://there';
    const move: ModelCommand = { type: 'MoveVersion', version: 1, to: 'Archived', archiveOthers: false };
    const moved = { version: 1, from: 'Production', to: 'Archived', archived: [] } as const;
    const followed = spec
      .given(brought(1))
      .when({ ...move, importedFrom })
      .accepts({ type: 'VersionMoved', data: { ...moved, importedFrom } });
    expect(followed.versions.get(1)).not.toHaveProperty('changedHere');
    const here = spec.given(brought(1)).when(move).accepts({ type: 'VersionMoved', data: moved });
    expect(here.versions.get(1)?.changedHere).toEqual(new Set(['stage']));
    const archived = spec
      .given(brought(1), brought(2))
      .when({ type: 'MoveVersion', version: 2, to: 'Production', archiveOthers: true })
      .accepts({ type: 'VersionMoved', data: { version: 2, from: 'Production', to: 'Production', archived: [1] } });
    expect(archived.versions.get(1)?.changedHere).toEqual(new Set(['stage']));
  });

  test("an alias is the import's until somebody sets it here", () => {
    const importedFrom = 'http://there';
    const assign: ModelCommand = { type: 'AssignAlias', alias: 'champion', version: 1 };
    const assigned = (previous: number | null, from: object = {}): ModelEvent => ({
      type: 'AliasAssigned',
      data: { alias: 'champion', version: 1, previous, ...from },
    });
    const followed = spec
      .given(brought(1))
      .when({ ...assign, importedFrom })
      .accepts(assigned(null, { importedFrom }));
    expect(followed.importedAliases).toEqual(new Map([['champion', importedFrom]]));
    const other: ModelEvent = { type: 'AliasAssigned', data: { alias: 'champion', version: 2, previous: null, importedFrom } };
    const here = spec.given(brought(1), brought(2), other).when(assign).accepts(assigned(2));
    expect(here.importedAliases).toEqual(new Map());
  });
});
