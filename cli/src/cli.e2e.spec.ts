import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real service; only this test starts one
import { deadLetterOf } from '@millrace/event-log';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { EXIT } from './cli-error.js';
import { run } from './run.js';

class EmptyModule {}

const SOURCE = (columns: string): string => `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: parcels, description: what leaves the mill, labels: {team: ops}}
spec: {topic: parcels, eventTime: at, schema: {at: DateTime64(3), ${columns}}}
`;
const ENTITY = `
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: town}
spec: {joinKeys: {town: String}}
`;
const DECISIONS = 'millrace.resources.decisions';

/** An address nobody listens on. */
async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

describe('millrace', () => {
  let temp: TempDir;
  let service: RunningService;

  beforeAll(async () => {
    temp = await tempDir('cli');
    const environment = { MILLRACE_DATA_DIR: join(temp.path, 'data'), MILLRACE_PORT: '0' };
    service = await bootstrap(EmptyModule, loadConfig([], environment), { service: 'mill', logDestination: { write: () => undefined } });
    await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
    await mkdir(join(temp.path, 'defs', 'deep'), { recursive: true });
    await writeFile(join(temp.path, 'defs', 'parcels.yaml'), SOURCE('town: String, grams: Int32'));
    await writeFile(join(temp.path, 'defs', 'deep', 'town.yml'), ENTITY);
    await writeFile(join(temp.path, 'defs', 'notes.txt'), 'not a definition');
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  /** Runs one command against the service, or against what `MILLRACE_URL` says. */
  async function millrace(
    args: readonly string[],
    options: { stdin?: string; url?: string; interrupted?: AbortSignal; onOut?: (text: string) => void } = {},
  ): Promise<{ code: number; out: string; err: string }> {
    let out = '';
    let err = '';
    const code = await run(args, {
      out: (text) => {
        out += text;
        options.onOut?.(out);
      },
      err: (text) => void (err += text),
      stdin: () => Promise.resolve(options.stdin ?? ''),
      environment: { MILLRACE_URL: options.url ?? service.url },
      isInteractive: false,
      interrupted: options.interrupted ?? new AbortController().signal,
    });
    return { code, out, err };
  }
  const defs = (...path: string[]): string => join(temp.path, 'defs', ...path);

  test('apply takes a folder, deep; the same again changes nothing', async () => {
    const first = await millrace(['apply', '-f', defs()]);
    expect(first).toEqual({ code: 0, out: 'Source/parcels created (version 1)\nEntity/town created (version 1)\n', err: '' });
    const again = await millrace(['apply', '-f', defs()]);
    expect(again.out).toBe('Source/parcels unchanged (version 1)\nEntity/town unchanged (version 1)\n');
  });

  test('diff shows what would change and ends with 1; with nothing to change it ends with 0', async () => {
    expect(await millrace(['diff', '-f', defs()])).toEqual({ code: 0, out: '', err: '' });
    const changed = await millrace(['diff', '-f', '-'], { stdin: SOURCE('town: String, grams: Int64') });
    expect(changed.code).toBe(EXIT.found);
    expect(changed.out).toContain('Source/parcels would change\n');
    expect(changed.out.split('\n').filter((line) => /^ {2}[-+]/.test(line))).toEqual(['  -    grams: Int32', '  +    grams: Int64']);
    expect((await millrace(['diff', '-f', '-'], { stdin: ENTITY.replace('name: town', 'name: mill') })).out).toMatch(
      /^Entity\/mill would be created\n {2}\+apiVersion: millrace\.dev\/v1\n/,
    );
  });

  test('every problem is told by file, document and field, and nothing is applied', async () => {
    const path = join(temp.path, 'broken.yaml');
    await writeFile(path, `${ENTITY.replace('String', 'Txt')}---\n${SOURCE('town: String').replace('eventTime: at', 'eventTime: left')}`);
    const { code, out, err } = await millrace(['apply', '-f', path]);
    expect([code, out]).toEqual([EXIT.refused, '']);
    expect(err).toContain('problems; nothing was applied');
    expect(err).toContain(`${path}, document 1: Entity/town spec.joinKeys.town: "Txt" is not one of String, Bool`);
    expect(err).toContain(`${path}, document 2: Source/parcels spec.eventTime: left is not a column of the schema`);
  });

  test('a document that is none is told without a name it does not have', async () => {
    const { err } = await millrace(['apply', '-f', '-'], { stdin: 'hello' });
    expect(err).toContain('  standard input: a document is an object with apiVersion, kind, metadata and spec\n');
  });

  test('get shows a kind, one of it, or all, in three forms', async () => {
    const table = await millrace(['get', 'sources']);
    expect(table.out).toBe('KIND    NAME     VERSION  LABELS    DESCRIPTION\nSource  parcels  1        team=ops  what leaves the mill\n');
    const one = await millrace(['get', 'entity', 'town', '-o', 'yaml']);
    expect(one.out).toBe('apiVersion: millrace.dev/v1\nkind: Entity\nmetadata:\n  name: town\nspec:\n  joinKeys:\n    town: String\n');
    const all = JSON.parse((await millrace(['get', 'all', '-o', 'json'])).out) as { kind: string }[];
    expect(all.map(({ kind }) => kind)).toEqual(['Source', 'Entity']);
    expect(await millrace(['get', 'deployments'])).toMatchObject({ code: 0, out: '', err: expect.stringContaining('millrace apply -f') });
  });

  test.each(['yaml', 'json'])('what get -o %s writes can be applied', async (format) => {
    const { out } = await millrace(['get', 'all', '-o', format]);
    expect((await millrace(['apply', '-f', '-'], { stdin: out })).out).toBe(
      'Source/parcels unchanged (version 1)\nEntity/town unchanged (version 1)\n',
    );
  });

  test('describe tells the versions there were; an old one can be seen', async () => {
    await millrace(['apply', '-f', '-'], { stdin: SOURCE('town: String, grams: Int64') });
    const { out } = await millrace(['describe', 'source', 'parcels']);
    expect(out).toMatch(
      /^Source\/parcels\ndescription: what leaves the mill\nlabels: team=ops\nversion: 2\nhash: [0-9a-f]{64}\nspec:\n {2}topic: parcels\n/,
    );
    expect(out).toMatch(/earlier versions:\n {2}1 {2}[0-9a-f]{12}\n$/);
    expect((await millrace(['get', 'source', 'parcels', '--version', '1', '-o', 'yaml'])).out).toContain('grams: Int32');
  });

  test('delete deletes; what is not there is refused', async () => {
    expect(await millrace(['delete', 'entity', 'town'])).toEqual({ code: 0, out: 'Entity/town deleted\n', err: '' });
    expect(await millrace(['delete', 'entity', 'town'])).toMatchObject({
      code: EXIT.refused,
      err: expect.stringContaining('does not exist'),
    });
    expect(await millrace(['get', 'entity', 'town'])).toMatchObject({ code: EXIT.refused });
    expect(await millrace(['get', 'pipelines'])).toMatchObject({
      code: EXIT.refused,
      err: expect.stringContaining('is not one of Source'),
    });
  });

  test('events tail shows a topic by time; filters and limits', async () => {
    const all = await millrace(['events', 'tail', DECISIONS, '--from', 'beginning', '-o', 'json', '--as', 'nobody']);
    const events = all.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; subject: string; sequence: number; time: string });
    expect(events.map(({ subject, sequence }) => `${subject} ${sequence}`).sort()).toEqual([
      'resource/Entity/town 1',
      'resource/Entity/town 2',
      'resource/Source/parcels 1',
      'resource/Source/parcels 2',
    ]);
    expect(events.map(({ time }) => time)).toEqual(events.map(({ time }) => time).sort());
    const deleted = await millrace(['events', 'tail', DECISIONS, '--filter', 'type=*Deleted*', '--filter', 'data.name=town']);
    expect(deleted.out).toMatch(/^\S+ \d@\d+ ResourceDeleted\.v1 resource\/Entity\/town #2 \{"kind":"Entity".*\}\n$/);
    const one = await millrace(['events', 'tail', DECISIONS, '--from', 'beginning', '--limit', '1']);
    expect(one.out.trim().split('\n')).toHaveLength(1);
  });

  test('events tail --follow shows what comes, until it is enough or interrupted', async () => {
    const enough = millrace(['events', 'tail', DECISIONS, '--follow', '--from', 'beginning', '--filter', 'subject=*/mill', '--limit', '1']);
    const stop = new AbortController();
    const seen = new Promise<void>((resolve) => {
      const onOut = (text: string): void => {
        if (text.includes('resource/Entity/mill')) resolve();
      };
      void millrace(['events', 'tail', DECISIONS, '-F', '--from', '-1'], { interrupted: stop.signal, onOut }).then(({ code }) =>
        ended(code),
      );
    });
    let ended: (code: number) => void = () => undefined;
    const end = new Promise<number>((resolve) => (ended = resolve));
    await millrace(['apply', '-f', '-'], { stdin: ENTITY.replace('name: town', 'name: mill') });
    await seen;
    expect((await enough).out).toContain('resource/Entity/mill #1');
    stop.abort();
    expect(await end).toBe(0);
  });

  test('events topics and dead-letters', async () => {
    expect((await millrace(['events', 'topics'])).out).toMatch(new RegExp(`^TOPIC .*\\n[^]*${DECISIONS} +decisions +4 +5 `));
    expect((await millrace(['events', 'dead-letters', DECISIONS])).out).toBe(`nothing of ${DECISIONS} was put aside\n`);
    expect(await millrace(['events', 'tail', 'resources'])).toMatchObject({
      code: EXIT.refused,
      err: expect.stringContaining(`Did you mean ${DECISIONS}?`),
    });
  });

  test('a record is shown as it was written, every digit of it', async () => {
    const written = '{"id": 9007199254740993,\n "price": 1.0, "price": 2e3}';
    const shown = '{"id":9007199254740993,"price":1.0,"price":2e3}';
    const letter = { key: null, headers: {}, partition: 0, offset: 0, timestamp: 0, topic: DECISIONS, value: Buffer.from(written) };
    const put = deadLetterOf(letter, 'resources', { code: 'UNDECODABLE', message: 'it has no type' }, 0);
    await service.host.log.ensureTopic({ name: put.topic, partitions: 1, retention: 'forever' });
    await service.host.log.append([put]);
    for (const format of ['text', 'json']) {
      expect((await millrace(['events', 'dead-letters', DECISIONS, '-o', format])).out).toContain(shown);
      expect((await millrace(['events', 'tail', put.topic, '-o', format, '--filter', 'data.id=9007199254740993'])).out).toContain(shown);
    }
  });

  test('status tells readiness, resources and topics', async () => {
    const { code, out } = await millrace(['status']);
    expect(code).toBe(0);
    expect(out).toMatch(/^mill at http:\S+ is ready\n\nresources: 1 Source, 1 Entity\n\nTOPIC /);
  });

  test('a server that is not there is named, with what to do', async () => {
    const url = await closedUrl();
    const { code, err } = await millrace(['status'], { url });
    expect(code).toBe(EXIT.unreachable);
    expect(err).toBe(
      `millrace: cannot reach ${url}: connection refused. Start Millrace with \`npm start\`, or say where it is with --server or MILLRACE_URL.\n`,
    );
    expect((await millrace(['status', '--server', 'nonsense'])).err).toContain('is not a URL');
  });

  test('wrong usage ends with 2 and points to the help; help is everywhere', async () => {
    expect(await millrace(['aply'])).toMatchObject({ code: EXIT.usage, err: expect.stringContaining('Did you mean apply?') });
    expect(await millrace(['apply'])).toMatchObject({ code: EXIT.usage, err: expect.stringContaining('--file') });
    expect(await millrace(['apply', '-f', join(temp.path, 'none.yaml')])).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('does not exist'),
    });
    expect(await millrace(['get', 'entity', '--version', '1'])).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('say its name'),
    });
    expect(await millrace(['get', 'all', 'town'])).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining('of which kind town is'),
    });
    for (const path of [
      [],
      ['apply'],
      ['diff'],
      ['get'],
      ['describe'],
      ['delete'],
      ['status'],
      ['events'],
      ['events', 'tail'],
      ['events', 'dead-letters'],
    ]) {
      const shown = await millrace([...path, '--help']);
      expect(shown).toMatchObject({ code: 0, out: expect.stringContaining(['Usage: millrace', ...path].join(' ')) });
      expect(await millrace(['help', ...path])).toEqual(shown);
    }
    expect(await millrace(['help', 'events', 'tale'])).toMatchObject({
      code: EXIT.usage,
      err: expect.stringContaining("unknown command 'events tale'"),
    });
  });
});
