import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, feastVenv, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mlflowVenv } from '../mlflow/mlflow-sessions.js';

const HOW_TO = join(import.meta.dirname, '..', '..', 'docs', 'how-to');
/** Blocks that are not typed, `page:line`, each with its reason. */
const UNTYPED: Readonly<Record<string, string>> = {};

let directory: TempDir;
let platform: Topology;

beforeAll(async () => {
  directory = await tempDir('python-blocks');
  platform = await embeddedTopology(join(directory.path, 'data'));
  await platform.start();
}, 300_000);
afterAll(async () => {
  await platform.stop();
  await directory.remove();
});

/** The fenced blocks of a page in one language, each with its line. */
async function blocks(page: string, language: string): Promise<{ place: string; text: string }[]> {
  const text = await readFile(join(HOW_TO, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((found) => ({
    place: `${page}:${text.slice(0, found.index).split('\n').length}`,
    text: found[1] ?? '',
  }));
}

async function post(path: string, type: string, body: string): Promise<void> {
  const response = await fetch(`${platform.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });
  if (response.status !== 200) throw new Error(await response.text());
}

/** Applies the first definitions of a page. */
async function applied(page: string): Promise<void> {
  const [first] = await blocks(page, 'yaml');
  await post('/api/v1/apply', 'application/yaml', first?.text ?? '');
}

/** What a script of this folder prints, run in a directory of its own. */
async function play(python: string, script: string, ...rest: readonly string[]): Promise<Record<string, unknown>[]> {
  const cwd = join(directory.path, `${script}-${rest[0]?.slice(0, 8).replaceAll(/\W/g, '') ?? ''}`);
  await mkdir(cwd);
  const output = await runCommand(python, [join(import.meta.dirname, script), platform.url, ...rest], { cwd });
  return output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
}

test('the Python of the how-tos runs as it is written', async () => {
  const [frames, feast, mlflow] = await Promise.all([
    ensureVenv('frames', ['pandas==3.1.1', 'polars==2.1.0', 'pyarrow==26.0.1', 'numpy==2.4.6']),
    feastVenv(),
    mlflowVenv('3.17.2'),
  ]);
  await applied('compute-features-on-demand.md');
  await applied('use-from-feast.md');
  const event = { id: 'a', at: '2026-01-31T12:00:00Z', city: 'Bern', line: '9', fare: 12.5, tip: null };
  await post('/api/v1/sources/trips/events', 'application/x-ndjson', JSON.stringify(event));

  const frameless = play(feast.python, 'feast_pages.py');
  const [trainingSet, ...built] = await play(frames.python, 'frames_pages.py', 'training-set');
  const logged = await play(mlflow.python, 'mlflow_pages.py', JSON.stringify(trainingSet));
  const scored = await play(frames.python, 'frames_pages.py', 'batch');
  const typed = [...built, ...logged, ...scored, ...(await frameless)].flatMap((line) => line['typed'] as string[]);

  const written = (await Promise.all((await readdir(HOW_TO)).map((page) => blocks(page, 'python')))).flat().map(({ place }) => place);
  expect([...new Set([...typed, ...Object.keys(UNTYPED)])].sort()).toEqual(written.sort());
}, 300_000);
