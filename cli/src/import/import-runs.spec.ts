import { expect, test } from '@jest/globals';
import { ImportReport } from './import-report.js';
import { importExperiment, type ImportContext } from './import-runs.js';
import { MlflowRefusal, type MlflowServer } from './mlflow-server.js';
import type { Experiment, Metric, Run } from './mlflow-types.js';

const EXPERIMENT: Experiment = { experiment_id: '1', name: 'flights', lifecycle_stage: 'active' };

const RUN: Run = {
  info: {
    ...{ run_id: 'r1', run_name: 'calm', experiment_id: '1', user_id: 'ana', status: 'FINISHED', start_time: 1, end_time: 2 },
    ...{ artifact_uri: 'mlflow-artifacts:/1/r1/artifacts', lifecycle_stage: 'active' },
  },
  data: { metrics: [point('a:b'), point('loss')], params: [], tags: [] },
};

function point(key: string): Metric {
  return { key, value: 1, timestamp: 5, step: 0 };
}

/** Stands for the pages of a server. */
async function* all<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

/** The two sides as far as one run goes: this one takes no metric `a:b`. */
function sides(
  here: Run['info'] = RUN.info,
  made: object = {},
  run: Run = RUN,
): { context: ImportContext; report: ImportReport; asked: string[] } {
  const asked: string[] = [];
  const stored: Metric[] = [];
  const report = new ImportReport();
  const from = {
    runs: () => all(run),
    history: (_: string, key: string) => all(point(key)),
    runFiles: () => all({ path: 'a.txt', file_size: 2 }),
    hasLoggedModels: () => Promise.resolve(false),
    readRunFile: () => Promise.resolve(new Response('hi')),
  };
  const to = {
    get: () => Promise.resolve({ experiment: EXPERIMENT }),
    run: () => Promise.resolve({ ...run, info: here }),
    post: (path: string, body: { metrics?: Metric[] }) => {
      asked.push(path);
      if (body.metrics?.some(({ key }) => key === 'a:b'))
        throw new MlflowRefusal(400, 'INVALID_PARAMETER_VALUE', "Invalid metric name: 'a:b'");
      stored.push(...(body.metrics ?? []));
      if (path === 'experiments/import') return Promise.resolve({ experiment_id: '1', created: true, changed_here: [], refused: [] });
      return Promise.resolve({ created: true, artifact_uri: RUN.info.artifact_uri, is_deleted: false, changed_here: [], ...made });
    },
    history: (_: string, key: string) => all(...stored.filter((one) => one.key === key)),
    storedFiles: () => all(),
    store: () => Promise.resolve('8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4'),
    readStored: () => Promise.resolve(new Response('hi')),
  };
  const servers = { from: from as unknown as MlflowServer, to: to as unknown as MlflowServer };
  return { context: { ...servers, origin: 'http://there', withArtifacts: true, report, progress: () => undefined }, report, asked };
}

test('a metric that is refused is a problem of its own; the other metrics and the files come, and the run is counted once', async () => {
  const { context, report } = sides();
  await importExperiment(context, EXPERIMENT);
  expect(report.problems).toEqual(["run r1 metric a:b: Invalid metric name: 'a:b'"]);
  expect(report.found).toMatchObject({ runs: 1, points: 2, files: 1 });
  expect(report.brought).toMatchObject({ runs: 1, points: 1, files: 1 });
});

test('what people have changed here is told, and then not everything is said to be as it is there', async () => {
  const there = { ...RUN, data: {} };
  const renamed = sides({ ...RUN.info, run_name: 'mine' }, { created: false, changed_here: ['run_name'] }, there);
  await importExperiment(renamed.context, EXPERIMENT);
  expect(renamed.report.notes).toEqual(['run r1: run_name is calm there and mine here; left']);
  expect(renamed.report.text()).toContain('1 things differ and are left as they are here');
  const unknown = sides({ ...RUN.info, run_name: 'odd' }, { created: false }, there);
  await importExperiment(unknown.context, EXPERIMENT);
  expect(unknown.report.problems).toContain('run r1: run_name is calm there and odd here');
});

test('a run that people have restored here is not deleted again', async () => {
  const there = { info: { ...RUN.info, lifecycle_stage: 'deleted' as const }, data: {} };
  const { context, report, asked } = sides(RUN.info, { created: false, changed_here: ['lifecycle_stage'] }, there);
  await importExperiment(context, EXPERIMENT);
  expect(asked).not.toContain('runs/import-deletion');
  expect(report.notes).toEqual(['run r1: lifecycle_stage is deleted there and active here; left']);
});
