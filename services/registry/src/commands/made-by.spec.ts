import { describe, expect, test } from '@jest/globals';
import { madeBy, type Makers } from './made-by.js';
import type { RunFacts } from './run-artifacts.js';

const MODEL = `m-${'0'.repeat(32)}`;
const makers: Makers = {
  run: (runId) => {
    const folder = { good: '1/good', deep: 'team/artifacts/x/deep' }[runId];
    return Promise.resolve(folder === undefined ? undefined : ({ artifactUri: `mlflow-artifacts:/${folder}/artifacts` } as RunFacts));
  },
  loggedModel: (modelId) =>
    Promise.resolve(modelId === MODEL ? { artifactUri: `mlflow-artifacts:/1/models/${MODEL}/artifacts`, sourceRunId: 'bad' } : undefined),
};

describe('the run that made the files of a version', () => {
  test.each<[string, { modelId?: string; artifactPath: string | null }, string | undefined]>([
    ['of a logged model is the one that made it', { modelId: MODEL, artifactPath: 'x' }, 'bad'],
    ['of a logged model that is named by its folder alone too', { artifactPath: `1/models/${MODEL}/artifacts` }, 'bad'],
    ['is the one in whose folder they are', { artifactPath: '1/good/artifacts/model' }, 'good'],
    ['is the one whose whole folder it is', { artifactPath: '1/good/artifacts' }, 'good'],
    ['is not told by a folder that only looks like it', { artifactPath: '2/good/artifacts/model' }, undefined],
    ['is not told by the folder of a logged model that lies elsewhere', { artifactPath: `uploads/${MODEL}/artifacts` }, undefined],
    ['is found below a place that holds such a folder itself', { artifactPath: 'team/artifacts/x/deep/artifacts/model' }, 'deep'],
    ['is not known in a folder of nobody', { artifactPath: 'imported-models/x/1' }, undefined],
    ['is not known where they lie elsewhere', { artifactPath: null }, undefined],
  ])('%s', async (_, version, runId) => {
    expect(await madeBy(version, makers)).toBe(runId);
  });
});
