import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Flights } from './flights.js';
import { mainJob } from './main-job/main-job.js';
import { PlatformClient } from './main-job/platform-client.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');

let temp: TempDir;
let platform: Topology;
let client: PlatformClient;

beforeAll(async () => {
  temp = await tempDir('documentation');
  platform = await embeddedTopology(join(temp.path, 'data'));
  await platform.start();
  client = new PlatformClient(platform.url, platform.clickhouseUrl);
  await mainJob(client, await Flights.load(20_000), { trainingRows: 2_000, predictions: 200 });
}, 300_000);
afterAll(async () => {
  await platform.stop();
  await temp.remove();
});

/** The fenced blocks of a page's section, of one language. */
async function blocks(page: string, heading: string, language: string): Promise<string[]> {
  const text = await readFile(join(ROOT, page), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block ?? '');
}

/** The commands of a block that ask the platform, each as a reader types it but for the address. */
function curls(block: string): string[] {
  return block
    .split(/^(?=curl )|\n(?=\n|#|npm|MLFLOW)/m)
    .filter((part) => part.startsWith('curl '))
    .map((part) =>
      part
        .replace('curl -s ', 'curl -sS --fail-with-body ')
        .replace('localhost:8080', platform.url)
        .replace('localhost:8123', platform.clickhouseUrl),
    );
}

/** What a command writes; it throws with the answer when the platform refuses. */
async function typed(command: string): Promise<string> {
  return (await promisify(execFile)('sh', ['-c', command])).stdout;
}

test('the first five minutes of the README go as they are written', async () => {
  const [block = ''] = await blocks('README.md', 'The first five minutes', 'sh');
  const [event, features, prediction, query, ...others] = curls(block) as [string, string, string, string];
  expect(others).toEqual([]);
  expect(JSON.parse(await typed(event))).toMatchObject({ accepted: 1, rejected: [] });
  const read = JSON.parse(await typed(features)) as {
    metadata: { feature_names: string[] };
    results: { values: unknown[]; statuses: string[] }[];
  };
  const of = (name: string) => read.results[read.metadata.feature_names.indexOf(name)];
  expect(of('origin_departures_6h')).toMatchObject({ values: [1], statuses: ['PRESENT'] });
  expect(read.results.flatMap(({ statuses }) => statuses)).not.toContain('INVALID');
  expect(JSON.parse(await typed(prediction))).toMatchObject({ model_name: 'delay', outputs: [{ name: 'probability' }, { name: 'label' }] });
  expect(await typed(query)).toContain('ORD');
});

test('the stream of the how-to predicts the event that is sent there', async () => {
  const page = 'docs/how-to/predict-a-stream.md';
  const [definition = ''] = await blocks(page, 'Define one', 'yaml');
  await client.post('/api/v1/apply', definition, 'application/yaml');
  const [command = ''] = (await blocks(page, 'Define one', 'sh')).flatMap(curls);
  expect(JSON.parse(await typed(command))).toMatchObject({ accepted: 1 });
  const [output] = await waitFor(
    async () => {
      const rows = await client.sql<{ stream: string }>('SELECT * FROM millrace.stream_outputs');
      return rows.length > 0 && rows;
    },
    { timeoutMs: 30_000, what: 'the output' },
  );
  expect(output).toMatchObject({ stream: 'departures_due' });
});
