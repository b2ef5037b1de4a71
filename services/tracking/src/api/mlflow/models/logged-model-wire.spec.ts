import { describe, expect, test } from '@jest/globals';
import type { LoggedModel } from '../../../domain/logged-model/logged-model.decider.js';
import { registeredVersionReaders } from '../../../domain/registered-versions/registered-versions.js';
import { RegisteredVersionsView } from '../../../queries/registered-versions-view.js';
import { loggedModelJson } from './logged-model-wire.js';

const MODEL = `m-${'a'.repeat(32)}`;
const model: LoggedModel = {
  ...{ modelId: MODEL, experimentId: '1', name: 'delay', modelType: null, sourceRunId: null, artifactUri: 'mlflow-artifacts:/1/m' },
  ...{ status: 'READY', createdAt: 1, updatedAt: 1, creator: 'ann', deleted: false, params: new Map(), tags: new Map([['team', 'a']]) },
};

type Told = readonly [subject: string, type: string, data: object];

/** A view that has heard these decisions of the registry, in order. */
function heard(...decisions: readonly Told[]): RegisteredVersionsView {
  const states = new Map<string, unknown>();
  let listener: (record: never) => void = () => undefined;
  const readerOf = (subject: string) => registeredVersionReaders[subject.startsWith('models/') ? 'models' : 'model'];
  const view = new RegisteredVersionsView({
    replica: { subject: (subject: string) => ({ sequence: 1, state: states.get(subject) ?? readerOf(subject).initial() }) } as never,
    barrier: async () => undefined,
    onAccepted: (hear) => {
      listener = hear;
      return () => undefined;
    },
  });
  decisions.forEach(([subject, type, data], index) => {
    const context = { subject, sequence: 1, time: index, actor: 'ann' };
    states.set(subject, readerOf(subject).evolve(states.get(subject) ?? readerOf(subject).initial(), { type, data }, context));
    listener({ subject, type, data } as never);
  });
  return view;
}

const registered = (version: number, more: object = {}) => ({
  ...{ version, name: 'delay', source: 's3://m', artifactPath: null, digest: null, runId: 'r', runLink: null, description: null, tags: {} },
  ...more,
});

describe('a logged model and its registered versions', () => {
  const view = heard(
    ['models/catalog', 'ModelRegistered', { modelId: 'x', name: 'delay', description: null, tags: {} }],
    ['model/x', 'VersionRegistered', registered(1, { modelId: MODEL })],
    ['model/x', 'VersionRegistered', registered(2)],
    ['model/x', 'VersionRegistered', registered(3, { modelId: MODEL })],
    ['model/x', 'AliasAssigned', { alias: 'champion', version: 3 }],
    ['models/catalog', 'ModelRenamed', { modelId: 'x', from: 'delay', to: 'late' }],
    ['model/x', 'VersionMoved', { version: 3, from: 'None', to: 'Production', archived: [2] }],
  );

  test('they are found by the folder of the run that holds their files, whichever run they name', () => {
    const files = heard(
      ['models/catalog', 'ModelRegistered', { modelId: 'x', name: 'delay', description: null, tags: {} }],
      ['model/x', 'VersionRegistered', registered(1, { artifactPath: '1/a/artifacts/model' })],
      ['model/x', 'VersionRegistered', registered(2, { artifactPath: '1/a/artifacts', runId: null })],
      ['model/x', 'VersionRegistered', registered(3, { artifactPath: '1/a/artifacts/model' })],
      ['model/x', 'VersionRegistered', registered(4, { artifactPath: '1/b/artifacts/model', runId: 'a' })],
      ['model/x', 'VersionDeleted', { version: 3, aliases: [] }],
      ['model/x', 'VersionRegistered', registered(5, { artifactPath: 'team/artifacts/exp/c/artifacts/model' })],
    );
    const found = (runId: string, folder: string) => files.withFilesIn(runId, folder).map(({ name, version }) => [name, version]);
    expect(found('a', '1/a/artifacts')).toEqual([
      ['delay', 1],
      ['delay', 2],
    ]);
    expect(found('b', '1/b/artifacts')).toEqual([['delay', 4]]);
    // Below an experiment whose own place holds such a folder.
    expect(found('c', 'team/artifacts/exp/c/artifacts')).toEqual([['delay', 5]]);
    expect(found('a', '2/a/artifacts')).toEqual([]);
  });

  test('a tag tells them, as text a Python client compares', () => {
    const { info } = loggedModelJson(model, [], view.ofLoggedModel(MODEL)) as { info: { tags: object[] } };
    expect(info.tags).toEqual([
      { key: 'team', value: 'a' },
      { key: 'mlflow.modelVersions', value: '[{"name": "late", "version": 1}, {"name": "late", "version": 3}]' },
    ]);
    expect(loggedModelJson(model)).toMatchObject({ info: { tags: [{ key: 'team' }] } });
  });

  test('versions are found by run too, with their stage and aliases', () => {
    expect(view.ofRun('r').map(({ name, version, stage, aliases }) => [name, version, stage, aliases])).toEqual([
      ['late', 1, 'None', []],
      ['late', 2, 'Archived', []],
      ['late', 3, 'Production', ['champion']],
    ]);
    expect(view.ofRun('other')).toEqual([]);
  });

  test('a deleted version and those of a deleted model are not there', () => {
    const all: Told[] = [
      ['models/catalog', 'ModelRegistered', { modelId: 'x', name: 'delay', description: null, tags: {} }],
      ['model/x', 'VersionRegistered', registered(1)],
      ['model/x', 'VersionDeleted', { version: 1, aliases: [] }],
      ['model/x', 'VersionRegistered', registered(2)],
    ];
    expect(heard(...all).ofRun('r')).toMatchObject([{ version: 2 }]);
    expect(heard(...all, ['models/catalog', 'ModelDeleted', { modelId: 'x', name: 'delay' }]).ofRun('r')).toEqual([]);
  });
});
