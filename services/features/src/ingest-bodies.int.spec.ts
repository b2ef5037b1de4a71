import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { request, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { featuresConfig, FeaturesModule } from './index.js';

const ADMIN_KEY = 'an-admin-key-of-the-tests-0123456789';
const SOURCE = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: taps}
spec: {topic: taps, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), note: Nullable(String)}}
`;
const EVENTS = '/api/v1/sources/taps/events';

/** So many events as NDJSON, from a number on. */
function lines(count: number, from = 0): string {
  const note = 'x'.repeat(1_000);
  return Array.from(
    { length: count },
    (_, index) => `${JSON.stringify({ id: `t${from + index}`, at: '2026-01-01T00:00:00Z', note })}\n`,
  ).join('');
}

describe('the body of events', () => {
  let directory: TempDir;
  let running: RunningService;
  beforeAll(async () => {
    directory = await tempDir('ingest-bodies');
    const environment = {
      ...{ MILLRACE_DATA_DIR: directory.path, MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_LOG_LEVEL: 'fatal' },
      ...{ MILLRACE_AUTH: 'required', MILLRACE_ADMIN_KEY: ADMIN_KEY },
    };
    running = await bootstrap(FeaturesModule, loadConfig([featuresConfig], environment));
    await call('POST', '/api/v1/apply', SOURCE, { 'content-type': 'application/yaml' });
  }, 60_000);
  afterAll(async () => {
    await running.close();
    await directory.remove();
  });

  async function call(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>, more: Record<string, string> = {}) {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...more };
    const response = await fetch(`${running.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  }

  test.each([
    ['gzip', gzipSync(lines(3)), { accepted: 3 }, 200],
    ['gzip', gzipSync(lines(3)).subarray(0, 60), { detail: expect.stringMatching(/the body is not gzip, or ends too early/) }, 400],
    ['gzip', Buffer.from(lines(1)), { detail: expect.stringMatching(/the body is not gzip/) }, 400],
    ['br', Buffer.from(lines(1)), { detail: 'content-encoding "br" is not gzip; send the body so, or as it is' }, 415],
    ['identity', Buffer.from(`\ufeff${lines(2)}`), { accepted: 2 }, 200],
  ])('in content-encoding %s is read as it was, or refused (%#)', async (encoding, bytes, answer, status) => {
    const type = { 'content-type': 'application/x-ndjson', 'content-encoding': encoding };
    const sent = await call('POST', EVENTS, new Uint8Array(bytes), type);
    expect(sent).toMatchObject({ status, body: answer });
  });

  test('as one JSON document may begin with a byte order mark, and is refused where it is no text', async () => {
    const type = { 'content-type': 'application/json' };
    const events = `[${lines(1)}]`;
    expect(await call('POST', EVENTS, `\ufeff${events}`, type)).toMatchObject({ status: 200, body: { accepted: 1 } });
    const spoilt = Buffer.from(events.replace('xx', 'éx'));
    spoilt[spoilt.indexOf('é')] = 0xff;
    expect(await call('POST', EVENTS, new Uint8Array(spoilt), type)).toMatchObject({
      status: 400,
      body: { detail: 'the body is not JSON: it has bytes that are no text in UTF-8' },
    });
  });

  test('is cut off when the key it came with is revoked; what was read before is on the log, and another goes on', async () => {
    const { key, keyId } = (
      await call('POST', '/api/v1/access/keys', JSON.stringify({ name: 'tap', role: 'editor' }), { 'content-type': 'application/json' })
    ).body as { key: string; keyId: string };
    const send = (token: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
      const sent = request(`${running.url}${EVENTS}`, { method: 'POST', headers });
      const answered = new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject)).then(
        async (response) => {
          let text = '';
          for await (const chunk of response) text += String(chunk);
          return { status: response.statusCode, text };
        },
      );
      return { sent, answered };
    };
    const end = async (): Promise<number> => (await running.host.log.end('taps')).reduce((sum, next) => sum + next, 0);
    const before = await end();
    const [mine, others] = [send(key), send(ADMIN_KEY)];
    mine.sent.write(lines(2_500, 10_000));
    others.sent.write(lines(2_500, 20_000));
    // A first batch of each.
    await waitFor(async () => (await end()) >= before + 4_000);
    await call('DELETE', `/api/v1/access/keys/${keyId}`);
    expect(await mine.answered).toEqual({ status: 401, text: expect.stringContaining('the API key tap was revoked') as unknown });
    others.sent.end(lines(10, 30_000));
    expect(await others.answered).toMatchObject({ status: 200, text: expect.stringContaining('"accepted":2510') as unknown });
    expect(await end()).toBe(before + 2_000 + 2_510);
  }, 30_000);
});
