import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EdgeManifest } from '@millrace/edge';
import { readModel, writeModel } from '@millrace/onnx';
import { perceptronBytes } from '@millrace/onnx/testing';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real platform; only this test starts one
import { embeddedTopology, repositoryRoot, startChromium, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { Ajv } from 'ajv';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { EXIT } from './cli-error.js';
import { lossyProxy, serveFolders, type LossyProxy, type TestServer } from './testing/edge-servers.js';
import { sampleTrees } from './testing/sample-trees.js';

const COLUMNS = 16;
const TOWNS = perceptronBytes({ sizes: [COLUMNS, 32, 4], head: 'softmax' });
const TREES = sampleTrees();
const FAR_AND_LATE = { distance: 733, delay_mean_6h: 21.5 };

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Answer {
  readonly predictionId: string;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly classes: Readonly<Record<string, unknown>>;
}

describe('millrace models export', () => {
  let temp: TempDir;
  let platform: Topology;
  let pages: TestServer;
  let proxy: LossyProxy;
  const folder = (name: string): string => join(temp.path, 'exports', name);

  beforeAll(async () => {
    temp = await tempDir('cli-export');
    await mkdir(folder('.'), { recursive: true });
    pages = await serveFolders({ towns: folder('towns'), edge: join(repositoryRoot, 'libs/edge/dist') });
    platform = await embeddedTopology(join(temp.path, 'data'), { MILLRACE_INFERENCE_EDGE_ORIGINS: pages.url });
    await platform.start();
    proxy = await lossyProxy(() => platform.url);
    await register('towns', TOWNS);
    await register('trees', TREES);
  }, 180_000);
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await pages[Symbol.asyncDispose]();
    await platform.stop();
    await temp.remove();
  });

  const run = (command: string, args: readonly string[], options: { cwd?: string; input?: string } = {}): Promise<Ran> =>
    new Promise((resolve) => {
      const env = { ...process.env, NODE_OPTIONS: '', MILLRACE_URL: platform.url };
      const child = execFile(command, args, { env, cwd: options.cwd ?? temp.path }, (error, out, err) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err });
      });
      child.stdin?.end(options.input ?? '');
    });
  const millrace = (...args: string[]): Promise<Ran> =>
    run(process.execPath, [join(repositoryRoot, 'cli/dist/main.js'), 'models', 'export', ...args]);
  const send = async (method: string, path: string, body: string | Uint8Array<ArrayBuffer>): Promise<void> => {
    const response = await fetch(`${platform.url}${path}`, { method, body });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  const register = async (name: string, bytes: Uint8Array): Promise<void> => {
    await send('PUT', `/api/2.0/mlflow-artifacts/artifacts/models/${name}/model.onnx`, Uint8Array.from(bytes));
    await send('POST', '/api/2.0/mlflow/registered-models/create', JSON.stringify({ name }));
    const source = `mlflow-artifacts:/models/${name}/model.onnx`;
    await send('POST', '/api/2.0/mlflow/model-versions/create', JSON.stringify({ name, source }));
  };
  const infer = async (name: string, input: string, data: readonly number[]): Promise<Record<string, unknown[]>> => {
    const body = JSON.stringify({ inputs: [{ name: input, shape: [1, data.length], datatype: 'FP32', data }] });
    const answered = await waitFor(
      async () => {
        const response = await fetch(`${platform.url}/v2/models/${name}/versions/1/infer`, { method: 'POST', body });
        return response.ok && ((await response.json()) as { outputs: { name: string; data: unknown[] }[] });
      },
      { what: `${name} to be served` },
    );
    return Object.fromEntries(answered.outputs.map((output) => [output.name, output.data]));
  };
  const expectSame = async (answer: Answer, model: string, input: string, data: readonly number[]): Promise<void> => {
    const wanted = await infer(model, input, data);
    expect(Object.keys(answer.outputs).sort()).toEqual(Object.keys(wanted).sort());
    for (const [name, values] of Object.entries(wanted)) {
      const found = [answer.outputs[name]].flat();
      expect(found).toHaveLength(values.length);
      values.forEach((value, index) => {
        if (typeof value === 'number') expect(found[index]).toBeCloseTo(value, 5);
        else expect(found[index]).toEqual(value);
      });
    }
  };
  const recorded = async (ids: readonly string[]): Promise<{ id: string; rows: number; source: string; device: string }[]> => {
    const list = ids.map((id) => `'${id}'`).join(',');
    const sql = `SELECT prediction_id AS id, toUInt32(count()) AS rows, any(source) AS source, any(edge_device) AS device
                 FROM millrace.predictions WHERE prediction_id IN (${list}) GROUP BY id ORDER BY id FORMAT JSONEachRow`;
    const text = await (await fetch(platform.clickhouseUrl, { method: 'POST', body: sql })).text();
    return text
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { id: string; rows: number; source: string; device: string }]));
  };
  const allRecorded = async (ids: readonly string[]): Promise<void> => {
    const found = await waitFor(async () => {
      const rows = await recorded(ids);
      return rows.length === ids.length && rows;
    });
    expect(found.map(({ rows, source }) => [rows, source])).toEqual(ids.map(() => [1, 'edge']));
    expect(new Set(found.map(({ device }) => device)).size).toBe(1);
  };

  describe('for a browser', () => {
    let browser: Browser;
    let context: BrowserContext;
    let page: Page;
    const asked: string[] = [];
    const broken: string[] = [];
    const row = (seed: number): number[] => Array.from({ length: COLUMNS }, (_, index) => Math.sin(seed * 31 + index));

    beforeAll(async () => {
      browser = await startChromium();
      context = await browser.newContext();
      context.on('request', (request) => asked.push(request.url()));
      context.on('weberror', (error) => broken.push(String(error.error().stack)));
      page = await context.newPage();
    }, 600_000);
    afterAll(() => browser.close());

    const count = async (name: string): Promise<number> => Number(await page.textContent(`#${name}`));
    const counted = (name: string, wanted: number) =>
      waitFor(async () => (await count(name)) === wanted, { what: `${wanted} predictions ${name}` });
    const opened = async (): Promise<void> => {
      await page.goto(`${pages.url}/towns/`);
      const status = await waitFor(async () => (await page.textContent('#status')) || (broken.length > 0 && broken.join('\n')));
      expect([status, broken]).toEqual(['The graph is the one that was exported.', []]);
      await page.waitForSelector('#predict:not([disabled])');
    };
    const predict = async (values: readonly number[]): Promise<Answer> => {
      const before = await page.textContent('#answer');
      await page.fill('#row', JSON.stringify({ inputs: { x: values }, unit: 'till-7' }));
      await page.click('#predict');
      const text = await waitFor(async () => {
        const now = await page.textContent('#answer');
        return now !== before && now;
      });
      return JSON.parse(text) as Answer;
    };

    test('a page predicts as the gateway does, from this folder alone, and its uploads arrive once though an answer is lost', async () => {
      const done = await millrace('towns', '--target', 'web', '--to', folder('towns'), '--platform', proxy.url);
      expect(done).toMatchObject({ code: 0, err: '' });
      expect(done.out).toContain('towns version 1 written to');
      await opened();
      proxy.lose = 1;
      const first = await predict(row(1));
      await expectSame(first, 'towns', 'x', row(1));
      await counted('sent', 1);
      expect(proxy.uploads).toBe(2);
      await allRecorded([first.predictionId]);
      expect(asked.filter((url) => !url.startsWith(pages.url) && !url.startsWith(proxy.url) && !url.startsWith('data:'))).toEqual([]);
    }, 120_000);

    test('offline it goes on predicting and keeps the answers; back online they are sent by themselves', async () => {
      await context.setOffline(true);
      const answers = [await predict(row(2)), await predict(row(3)), await predict(row(4))];
      await counted('waiting', 3);
      for (const [index, answer] of answers.entries()) await expectSame(answer, 'towns', 'x', row(2 + index));
      expect(await recorded(answers.map(({ predictionId }) => predictionId))).toEqual([]);
      await context.setOffline(false);
      await counted('sent', 4);
      await counted('waiting', 0);
      await allRecorded(answers.map(({ predictionId }) => predictionId));
    }, 120_000);

    test('what waits outlasts the page', async () => {
      proxy.isDown = true;
      const answer = await predict(row(5));
      await counted('waiting', 1);
      await page.close();
      page = await context.newPage();
      proxy.isDown = false;
      await opened();
      await counted('sent', 5);
      await allRecorded([answer.predictionId]);
    }, 120_000);

    test('the queue keeps its contract in the browser’s own IndexedDB', async () => {
      const found = await page.evaluate(`(async () => {
        const { IndexedDbQueue } = await import('/edge/web/indexed-db-queue.js');
        const { checkQueue } = await import('/edge/testing/check-queue.js');
        return checkQueue((limit) => IndexedDbQueue.open('contract', limit));
      })()`);
      expect(found).toEqual([]);
    });

    test('a graph that is not the exported one is refused', async () => {
      await writeFile(join(folder('towns'), 'model.onnx'), TREES);
      await page.goto(`${pages.url}/towns/`);
      await waitFor(async () => (await page.textContent('#status'))?.includes('model.onnx is not the graph that was exported'));
      expect(await page.isDisabled('#predict')).toBe(true);
    });
  });

  describe('for Node', () => {
    const runner = (args: readonly string[], input = '', name = 'trees'): Promise<Ran> =>
      run(process.execPath, ['run.mjs', ...args], { cwd: folder(name), input });
    const linesOf = ({ out }: Ran): Answer[] =>
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Answer);
    const rowsOf = (...rows: object[]): string => rows.map((features) => `${JSON.stringify({ features })}\n`).join('');

    beforeAll(async () => {
      const done = await millrace('trees@1', '--target', 'node', '--to', folder('trees'), '--platform', proxy.url, '-o', 'json');
      expect(done).toMatchObject({ code: 0, err: '' });
      // As `npm install` would bring it.
      await symlink(join(repositoryRoot, 'node_modules'), join(folder('trees'), 'node_modules'));
    }, 60_000);

    test('the manifest fits its schema and tells what was exported', async () => {
      const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder('trees'), name), 'utf8'));
      const manifest = (await read('manifest.json')) as EdgeManifest;
      const validate = new Ajv({ strict: false, validateFormats: false }).compile((await read('manifest.schema.json')) as object);
      expect(validate(manifest) ? [] : validate.errors).toEqual([]);
      const graph = await readFile(join(folder('trees'), 'model.onnx'));
      expect(manifest).toMatchObject({
        model: { name: 'trees', version: 1, digest: createHash('sha256').update(TREES).digest('hex'), deployment: null },
        graph: {
          sha256: createHash('sha256').update(graph).digest('hex'),
          bytes: graph.length,
          opsets: { 'ai.onnx': 17, 'ai.onnx.ml': 3 },
          operators: ['ai.onnx.ml:TreeEnsembleClassifier'],
        },
        outputs: [
          { name: 'label', datatype: 'BYTES' },
          { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
        ],
        preprocessing: { columns: ['distance', 'delay_mean_6h'] },
        postprocessing: { classes: { probabilities: ['early', 'late'] } },
      });
      expect(JSON.parse(await readFile(join(folder('trees'), 'package.json'), 'utf8'))).toMatchObject({
        dependencies: { 'onnxruntime-node': manifest.runtime.version },
      });
    });

    test('rows in, answers out as the gateway’s; a lost answer means sending again, and one row', async () => {
      proxy.lose = 1;
      const lost = await runner(['--upload'], rowsOf(FAR_AND_LATE, { distance: 90, delay_mean_6h: null }));
      expect(lost.err).toContain('2 waiting, 0 sent, 0 dropped, 0 refused\nnot sent: ');
      expect(lost.code).toBe(1);
      const answers = linesOf(lost);
      expect(answers[0]!.classes).toEqual({ probabilities: 'late' });
      await expectSame(answers[0]!, 'trees', 'input', [733, 21.5]);
      const again = await runner(['--upload']);
      expect(again).toMatchObject({ code: 0, out: '', err: '0 waiting, 2 sent, 0 dropped, 0 refused\n' });
      await allRecorded(answers.map(({ predictionId }) => predictionId));
    }, 60_000);

    test('what was answered before a kill -9 is sent after it', async () => {
      const child: ChildProcess = spawn(process.execPath, ['run.mjs'], { cwd: folder('trees'), env: { ...process.env, NODE_OPTIONS: '' } });
      const answers: Answer[] = [];
      createInterface({ input: child.stdout! }).on('line', (line) => answers.push(JSON.parse(line) as Answer));
      child.stdin!.write(rowsOf(FAR_AND_LATE, { distance: 501, delay_mean_6h: 10 }, { distance: 1, delay_mean_6h: 1 }));
      await waitFor(() => answers.length === 3);
      const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
      child.kill('SIGKILL');
      expect(await ended).toBe('SIGKILL');
      expect(await runner(['--upload'])).toMatchObject({ code: 0, err: expect.stringContaining('0 waiting, 5 sent') });
      await allRecorded(answers.map(({ predictionId }) => predictionId));
    }, 60_000);

    test('a row that is not what the model takes is told with its line, and the others are answered', async () => {
      const input = `${rowsOf({ distance: 1 })}no json\n${rowsOf(FAR_AND_LATE)}`;
      const ran = await runner([], input);
      expect(ran.code).toBe(1);
      expect(linesOf(ran)).toHaveLength(1);
      expect(ran.err).toContain('line 1: the row has no feature "delay_mean_6h"\nline 2: not JSON');
    });

    test('what the platform refuses is put aside with the reason, and the rest is sent', async () => {
      const [name] = (await readdir(join(folder('trees'), 'queue'))).filter((one) => one.startsWith('predictions'));
      const path = join(folder('trees'), 'queue', name ?? '');
      await runner([], rowsOf(FAR_AND_LATE));
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      const spoiled = JSON.stringify({ ...(JSON.parse(lines.at(-1) ?? '') as object), latencyMicros: -1 });
      await writeFile(path, [...lines.slice(0, -1), spoiled, ''].join('\n'));
      const sent = await runner(['--upload'], rowsOf(FAR_AND_LATE));
      expect(sent.code).toBe(1);
      expect(sent.err).toMatch(/^1 refused, and put aside in .*queue.refused\.jsonl: latencyMicros must be microseconds/);
      expect(sent.err).toContain('\n0 waiting, 7 sent, 0 dropped, 1 refused\n');
      expect(await readFile(join(folder('trees'), 'queue', 'refused.jsonl'), 'utf8')).toContain('latencyMicros must be microseconds');
    });

    test('predictions of a version that is gone are put aside, what waits behind them is sent, and they are when it is back', async () => {
      await register('brief', TREES);
      expect(await millrace('brief', '--target', 'node', '--to', folder('brief'))).toMatchObject({ code: 0, err: '' });
      await symlink(join(repositoryRoot, 'node_modules'), join(folder('brief'), 'node_modules'));
      const gone = linesOf(await runner([], rowsOf(FAR_AND_LATE, FAR_AND_LATE), 'brief'));
      await send('DELETE', '/api/2.0/mlflow/registered-models/delete', JSON.stringify({ name: 'brief' }));
      // A newer export in its place finds what it left.
      expect(await millrace('trees', '--target', 'node', '--to', folder('brief'), '--force')).toMatchObject({ code: 0, err: '' });
      const sent = await runner(['--upload'], rowsOf(FAR_AND_LATE), 'brief');
      expect(sent.code).toBe(1);
      expect(sent.err).toMatch(/^2 refused, and put aside in .*queue.refused\.jsonl: 404: no model "brief" is registered\n/);
      expect(sent.err).toContain('\n0 waiting, 1 sent, 0 dropped, 2 refused\n');
      await allRecorded(linesOf(sent).map(({ predictionId }) => predictionId));
      await register('brief', TREES);
      const again = await runner(['--retry-refused', '--upload'], '', 'brief');
      expect(again).toMatchObject({ code: 0, err: '2 wait once more\n0 waiting, 3 sent, 0 dropped, 0 refused\n' });
      await allRecorded(gone.map(({ predictionId }) => predictionId));
    }, 60_000);

    test('written again the export keeps its queue; a graph that was changed is refused', async () => {
      await runner([], rowsOf(FAR_AND_LATE));
      expect((await millrace('trees', '--target', 'node', '--to', folder('trees'))).err).toContain(
        'is an export already; --force writes it anew',
      );
      expect(await millrace('trees', '--target', 'node', '--to', folder('trees'), '--force')).toMatchObject({ code: 0, err: '' });
      expect(await runner(['--upload'])).toMatchObject({ code: 0, err: '0 waiting, 8 sent, 0 dropped, 1 refused\n' });
      expect(await readdir(folder('.'))).toEqual(expect.not.arrayContaining([expect.stringContaining('.trees')]));
      await writeFile(join(folder('trees'), 'model.onnx'), TOWNS);
      expect(await runner([], rowsOf(FAR_AND_LATE))).toMatchObject({
        code: 1,
        err: expect.stringContaining('model.onnx is not the graph that was exported'),
      });
    }, 60_000);
  });

  test('what cannot be exported is refused with the reason, and nothing is written', async () => {
    const foreign = readModel(TOWNS);
    foreign.graph!.node![0]!.domain = 'com.example';
    foreign.opsetImport!.push({ domain: 'com.example', version: 1 });
    const unknown = readModel(TOWNS);
    unknown.graph!.node![0]!.opType = 'Gemmm';
    await register('foreign', writeModel(foreign));
    await register('unknown', writeModel(unknown));
    const refused = (...args: string[]): Promise<Ran> => millrace(...args, '--to', folder('refused'));
    expect(await refused('foreign', '--target', 'web')).toMatchObject({
      code: EXIT.found,
      err: expect.stringContaining('operator Gemm is of domain com.example, whose operators do not come with the runtime'),
    });
    for (const target of ['web', 'node']) {
      const { code, err } = await refused('unknown', '--target', target);
      expect([code, err]).toEqual([EXIT.found, expect.stringMatching(/onnxruntime-\w+ 1\.30\.0 does not load the model: .*Gemmm/s)]);
    }
    expect(await millrace('towns', '--target', 'web', '--to', temp.path)).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('is there and is no export'),
    });
    expect((await refused('towns', '--target', 'node', '--platform', 'same-origin')).err).toContain('--platform same-origin is of pages');
    expect((await refused('towns', '--target', 'web', '--deployment', 'nothing')).code).toBe(EXIT.refused);
    expect(await readdir(folder('.'))).not.toContain('refused');
  }, 60_000);
});
