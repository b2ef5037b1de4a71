import { describe, expect, test } from '@jest/globals';
import { compareRuns } from './compare-runs.js';
import type { LoggedRun } from './logged-run.js';
import { isRecipeFile, recipeOf } from './recipe.js';

const run = (given: Partial<LoggedRun> = {}): LoggedRun => ({
  runId: 'r',
  name: 'first',
  experimentId: '0',
  status: 'FINISHED',
  params: new Map([['alpha', '0.5']]),
  metrics: new Map(),
  tags: new Map(),
  datasets: [],
  modelIds: [],
  ...given,
});

const recipe = (given: Partial<LoggedRun>, texts: Readonly<Record<string, string>>, files = Object.keys(texts)) =>
  recipeOf(run(given), files, new Map(Object.entries(texts).filter(([path]) => isRecipeFile(path))));

const messages = (found: ReturnType<typeof recipe>) => found.missing.map(({ what, isNeeded }) => `${what}${isNeeded ? '!' : ''}`);

describe('what it takes to run a run again', () => {
  test('of a run that logged nothing is all missing', () => {
    expect(messages(recipe({}, {}))).toEqual(['code!', 'code', 'entry point!', 'environment!', 'data']);
  });

  test('is read from the tag, the code and the requirements beside it', () => {
    const found = recipe(
      {
        tags: new Map([
          ['millrace.entryPoint', 'python train.py --alpha {alpha} --x {unknown}'],
          ['mlflow.source.git.commit', 'abc'],
        ]),
      },
      {
        'code/train.py': '',
        'code/requirements.txt': 'mlflow-skinny==3.17.2 # the client\n\nnumpy\n',
        'model/requirements.txt': 'other==1',
      },
    );
    expect(found.command).toBe('python train.py --alpha 0.5 --x {unknown}');
    expect(found.code.folder).toBe('code');
    expect(found.environment).toEqual({ file: 'code/requirements.txt', requirements: ['mlflow-skinny==3.17.2', 'numpy'], python: null });
    expect(messages(found)).toEqual(['environment', 'environment', 'data']);
    expect(found.missing[0]?.message).toContain('numpy');
  });

  test('is read from an MLproject with its defaults, and values are quoted for the shell', () => {
    const project =
      'entry_points:\n  main:\n    parameters:\n      alpha: float\n      depth: {type: int, default: 3}\n      name: {type: string}\n    command: "python t.py {alpha} {depth} {name}"\n';
    const found = recipe(
      {
        params: new Map([
          ['alpha', '0.5'],
          ['name', "it's; rm -rf /"],
        ]),
      },
      {
        MLproject: project,
        't.py': '',
        'python_env.yaml': 'python: "3.11.7"\ndependencies: [-r requirements.txt]\n',
        'requirements.txt': 'a==1',
      },
    );
    expect(found.command).toBe(`python t.py 0.5 3 'it'\\''s; rm -rf /'`);
    expect(found.environment).toEqual({ file: 'requirements.txt', requirements: ['a==1'], python: '3.11.7' });
  });

  test('is read from the script itself and the environment of a logged model', () => {
    const found = recipe(
      {
        tags: new Map([
          ['mlflow.source.name', '/home/ann/train.py'],
          ['mlflow.source.type', 'LOCAL'],
        ]),
      },
      {
        'src/train.py': '',
        'model/conda.yaml': 'dependencies:\n- python=3.10.2\n- pip:\n  - mlflow==2.9.2\n',
        'model/MLmodel': 'flavors: {}',
      },
    );
    expect(found).toMatchObject({ command: 'python train.py', code: { folder: 'src', type: 'LOCAL' } });
    expect(found.environment).toEqual({ file: 'model/conda.yaml', requirements: ['mlflow==2.9.2'], python: '3.10.2' });
    expect(messages(found)).toEqual(['code', 'entry point', 'data']);
  });

  test('code can be fetched from git when it was not logged', () => {
    const tags = new Map([
      ['mlflow.source.git.commit', 'a'.repeat(40)],
      ['mlflow.source.git.repoURL', 'https://example.org/x.git'],
      ['millrace.entryPoint', 'make'],
    ]);
    expect(messages(recipe({ tags }, { 'requirements.txt': 'a==1', 'python_env.yaml': 'python: 3.11.7' }))).toEqual(['data']);
  });
});

describe('two runs', () => {
  const one = run({
    metrics: new Map([
      ['auc', 0.8],
      ['loss', Number.NaN],
      ['system/cpu', 3],
    ]),
  });

  test('are the same when params are equal and metrics are within the tolerance', () => {
    const two = run({
      metrics: new Map([
        ['auc', 0.801],
        ['loss', Number.NaN],
        ['system/cpu', 90],
      ]),
    });
    expect(compareRuns(one, two, { tolerance: 0.01, ignored: [] })).toEqual([]);
    expect(compareRuns(one, two, { tolerance: 0, ignored: [] })).toEqual([
      { kind: 'metric', name: 'auc', original: '0.8', again: '0.801' },
    ]);
    expect(compareRuns(one, two, { tolerance: 0, ignored: ['a*'] })).toEqual([]);
  });

  test('differ in what only one of them has, and in their data', () => {
    const march = { name: 'march', digest: 'a1', sourceType: '', source: '', context: 'training' };
    const two = run({ params: new Map(), metrics: one.metrics, datasets: [march] });
    expect(compareRuns({ ...one, datasets: [{ ...march, digest: 'b2' }] }, two, { tolerance: 1, ignored: [] })).toEqual([
      { kind: 'param', name: 'alpha', original: '0.5', again: null },
      { kind: 'dataset', name: 'march (training)', original: 'b2', again: 'a1' },
    ]);
  });
});
