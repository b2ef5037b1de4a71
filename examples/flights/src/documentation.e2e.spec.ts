import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { embeddedTopology, tempDir, waitFor, type TempDir, type Topology } from '@millrace/testing';
import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/** Applies the definitions of a page, in their order. */
async function applied(page: string, heading = ''): Promise<void> {
  for (const definition of await blocks(page, heading, 'yaml')) {
    if (definition.includes('apiVersion:')) await client.post('/api/v1/apply', definition, 'application/yaml');
  }
}

test('the pages on features rest on one another as they are written', async () => {
  const [sending = ''] = await blocks('docs/how-to/send-events.md', '# Send events', 'sh');
  const [, source = ''] = /millrace apply -f - <<'EOF'\n(.*?)^EOF/ms.exec(sending) ?? [];
  await client.post('/api/v1/apply', source, 'application/yaml');
  const [events = ''] = curls(sending);
  expect(JSON.parse(await typed(events))).toMatchObject({ accepted: 2, rejected: [] });

  const windows = 'docs/how-to/aggregate-over-windows.md';
  await applied(windows, '# Aggregate');
  const [windowed = ''] = (await blocks(windows, '# Aggregate', 'sh')).flatMap(curls);
  expect(JSON.parse(await typed(windowed))).toMatchObject({ results: [{}, { values: [1] }, { values: [12.5] }] });

  const onDemand = 'docs/how-to/compute-features-on-demand.md';
  await applied(onDemand, '# Compute');
  await applied(onDemand, 'Ask for them');
  const [computed = ''] = (await blocks(onDemand, 'Ask for them', 'sh')).flatMap(curls);
  expect(JSON.parse(await typed(computed))).toMatchObject({ results: [{ statuses: ['PRESENT'] }] });
});

test('the queries of the how-to are answered from the views it names', async () => {
  const page = 'docs/how-to/query-with-sql.md';
  const [events = '', first = ''] = (await blocks(page, '# Query', 'sh')).flatMap(curls);
  expect(JSON.parse(await typed(events))).toMatchObject({ accepted: 3, rejected: [] });
  await waitFor(async () => (await typed(first)).includes('Bern'), { timeoutMs: 30_000, what: 'the rows of the events' });
  const headings = ['Events', 'Feature values over time', 'What was served', 'Statistics'];
  const queries = (await Promise.all(headings.map((heading) => blocks(page, heading, 'sql'))))
    .flat()
    .flatMap((block) => block.split(/;\n/));
  expect(queries.filter((query) => query.trim() !== '').length).toBeGreaterThan(8);
  for (const query of queries) if (query.trim() !== '') await client.sql(query);
});

test('a training set and the lineage are asked for as the how-tos do', async () => {
  const [training = ''] = (await blocks('docs/how-to/build-a-training-set.md', 'Ask for one', 'sh')).flatMap(curls);
  expect(JSON.parse(await typed(training))).toMatchObject({ status: 'built', rows: 2 });
  const walks = (await blocks('docs/how-to/send-lineage.md', 'The graph', 'sh')).flatMap(curls);
  const graphs = await Promise.all(walks.map(async (walk) => JSON.parse(await typed(walk)) as { nodes: { kind: string }[] }));
  expect(graphs.map(({ nodes }) => nodes.length > 1)).toEqual([true, true]);
});

test('what Feast’s clients push is read as the how-to says', async () => {
  const page = 'docs/how-to/use-from-feast.md';
  await applied(page, 'Define both sides');
  const [push = ''] = (await blocks(page, 'Push and write', 'sh')).flatMap(curls);
  await typed(push);
  const read = await client.post('/get-online-features', { features: ['driver_stats:trips'], entities: { driver_id: [1001] } });
  expect(read).toMatchObject({ metadata: { feature_names: ['driver_id', 'trips'] }, results: [{ values: [1001] }, {}] });
});

test('links between pages lead to pages and to headings that are there', async () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'docs/concepts.md', 'docs/glossary.md', ...(await howTos())];
  const read = async (page: string): Promise<string> => (await readFile(join(ROOT, page), 'utf8')).replaceAll(/^```.*?^```/gms, '');
  const dead: string[] = [];
  for (const page of pages) {
    for (const [, link = ''] of (await read(page)).matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      const isThere = await access(join(ROOT, target)).then(
        () => true,
        () => false,
      );
      if (!isThere || (anchor !== undefined && !headingsOf(await read(target)).includes(anchor))) dead.push(`${page}: ${link}`);
    }
  }
  expect(dead).toEqual([]);
  const readme = await read('README.md');
  expect(pages.filter((page) => page.startsWith('docs/') && !readme.includes(`(${page})`))).toEqual([]);
});

test('the glossary has each word once, in their order', async () => {
  const text = await readFile(join(ROOT, 'docs/glossary.md'), 'utf8');
  const words = [...text.matchAll(/^\| ([^|]*?) +\|/gm)].map(([, word = '']) => word.toLowerCase()).slice(2);
  expect(words).toEqual([...new Set(words)].sort());
});

async function howTos(): Promise<string[]> {
  return (await readdir(join(ROOT, 'docs/how-to'))).map((name) => `docs/how-to/${name}`);
}

/** The anchors of a page's headings, as GitHub makes them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}
