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
});
