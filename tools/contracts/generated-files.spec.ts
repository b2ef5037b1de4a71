import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fromFile, Parser } from '@asyncapi/parser';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_TOPICS, OUTPUTS } from '@millrace/contracts';
import { readEvents, readKinds, root } from './schemas.mjs';

/** What each tool writes. */
const TOOLS: readonly (readonly [tool: string, ...files: string[]])[] = [
  ['tools/contracts/asyncapi.mjs', 'schemas/asyncapi.yaml'],
  ['tools/contracts/reference.mjs', 'docs/reference/events.md', 'docs/reference/resources.md'],
  ['tools/cli-reference.mjs', 'docs/reference/cli.md'],
  ['tools/feast-compatibility.mjs', 'docs/reference/feast-compatibility.md'],
];

function run(tool: string, ...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(root, tool), ...args], { encoding: 'utf8' });
  return { status, stderr };
}

describe('the generated files', () => {
  test.each(TOOLS)('are what %s writes', (tool) => {
    expect(run(tool, '--check')).toEqual({ status: 0, stderr: '' });
  });
});

describe('the generators', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-generated-'));
    cpSync(join(root, 'schemas'), join(folder, 'schemas'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test.each(TOOLS)('%s says what is missing or stale, and writes it', (tool, ...files) => {
    for (const file of files) rmSync(join(folder, file), { force: true });
    const missing = run(tool, '--check', folder);
    expect(missing.status).toBe(1);
    for (const file of files) expect(missing.stderr).toContain(`${file} is not current; node ${tool} writes it`);
    expect(run(tool, folder)).toEqual({ status: 0, stderr: '' });
    expect(run(tool, '--check', folder)).toEqual({ status: 0, stderr: '' });
    for (const file of files) writeFileSync(join(folder, file), `${readFileSync(join(folder, file), 'utf8')}\nby hand\n`);
    expect(run(tool, '--check', folder).status).toBe(1);
  });

  test('take an event that is new', () => {
    const at = join(folder, 'schemas', 'inference', 'MillStopped');
    mkdirSync(at);
    const properties = { why: { type: 'string', description: 'The reason <in words>.' } };
    const schema = { title: 'MillStopped', description: 'The mill has stopped.', type: 'object', properties, additionalProperties: false };
    writeFileSync(join(at, 'v1.json'), JSON.stringify(schema));
    run('tools/contracts/asyncapi.mjs', folder);
    run('tools/contracts/reference.mjs', folder);
    expect(readFileSync(join(folder, 'schemas', 'asyncapi.yaml'), 'utf8')).toContain('$ref: ./inference/MillStopped/v1.json');
    expect(readFileSync(join(folder, 'docs', 'reference', 'events.md'), 'utf8')).toMatch(
      /`why` +\| string \| no +\| The reason `<in words>`\./,
    );
  });

  test('refuse an event that is on no topic', () => {
    const at = join(folder, 'schemas', 'parcels', 'ParcelSent');
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'v1.json'), '{"title": "ParcelSent", "type": "object"}');
    expect(run('tools/contracts/asyncapi.mjs', folder).stderr).toContain('parcels.ParcelSent.v1 is on no topic of the manifest');
  });
});

describe('schemas/asyncapi.yaml', () => {
  test('is an AsyncAPI 3.0 document, its samples fit their schemas, and every topic and event is in it', async () => {
    const { document, diagnostics } = await fromFile(new Parser(), join(root, 'schemas', 'asyncapi.yaml')).parse();
    // That 3.1 exists is no fault of the document.
    expect(diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')).toEqual([]);
    expect(document?.version()).toBe('3.0.0');
    const channels = document!.channels().all();
    expect(channels.map((channel) => channel.address())).toEqual([
      ...[...ALL_TOPICS, OUTPUTS].map(({ name }) => name),
      '{topic}.dead-letters',
    ]);
    const messages = channels.flatMap((channel) => channel.messages().all());
    const written = readEvents().map(({ key }) => `millrace.${key}`);
    expect(messages.map((message) => message.name()).sort()).toEqual([...written, 'deadLetter'].sort());
    for (const message of messages) expect(message.payload()?.json()).toHaveProperty('description');
  }, 60_000);
});

test('every kind has an example', () => {
  const page = readFileSync(join(root, 'docs', 'reference', 'resources.md'), 'utf8');
  const examples = page.match(/^kind: \w+$/gm)?.map((line) => line.slice('kind: '.length));
  expect(examples?.sort()).toEqual(readKinds().map(({ kind }) => kind));
});
