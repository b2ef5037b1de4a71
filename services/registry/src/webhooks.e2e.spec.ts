import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { freePort, tempDir, waitFor, type TempDir } from '@millrace/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { registryConfig, RegistryModule } from './index.js';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- bodies of many shapes, each looked at by its test
  readonly body: any;
}

/** Someone else's server, which answers as it is told to. */
class Receiver {
  readonly received: Received[] = [];
  /** `endless`: 200, and a body that never ends. */
  answers: (number | 'endless')[] = [];
  #server: Server | undefined;

  constructor(readonly port: number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        this.received.push({ headers: request.headers, text, body: JSON.parse(text) });
        const answer = this.answers.shift() ?? 200;
        if (answer === 'endless') response.writeHead(200).write('heard');
        else response.writeHead(answer).end('heard');
      });
    });
    return new Promise((resolve) => this.#server?.listen(this.port, '127.0.0.1', resolve));
  }

  stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    return new Promise((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }
}

const SECRET = 'between the two of us';

describe('webhooks', () => {
  let directory: TempDir;
  let running: RunningService;
  let receiver: Receiver;
  let models = 0;

  const start = (more: Record<string, string> = {}) =>
    bootstrap(
      RegistryModule,
      loadConfig([registryConfig], {
        MILLRACE_DATA_DIR: directory.path,
        MILLRACE_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
        MILLRACE_REGISTRY_WEBHOOK_PRIVATE: 'true',
        MILLRACE_REGISTRY_WEBHOOK_FIRST_PAUSE: '50ms',
        MILLRACE_REGISTRY_WEBHOOK_ATTEMPTS: '4',
        ...more,
      }),
    );

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, each looked at by its test
  async function call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(`${running.url}/api/${path.startsWith('v1') ? path : `2.0/mlflow/${path}`}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: await response.json() };
  }

  const event = (name: string) => {
    const [entity, action] = name.toUpperCase().split('.');
    return { entity, action };
  };
  async function newWebhook(events: string[], more: object = {}): Promise<string> {
    const webhook = { name: 'ci', url: receiver.url, events: events.map(event), secret: SECRET, ...more };
    const { status, body } = await call('POST', 'webhooks', webhook);
    expect(status).toBe(200);
    return body.webhook.webhook_id as string;
  }
  async function newModel(): Promise<string> {
    const name = `model ${++models}`;
    await call('POST', 'registered-models/create', { name, tags: [{ key: 'team', value: 'ann' }] });
    return name;
  }
  const of = (name: string) => receiver.received.filter(({ body }) => body.data.name === name);
  const deliveries = async (webhookId: string) => (await call('GET', `v1/webhooks/${webhookId}/deliveries`)).body.deliveries as object[];

  beforeAll(async () => {
    directory = await tempDir('webhooks');
    receiver = new Receiver(await freePort());
    await receiver.start();
    running = await start();
  }, 60_000);

  afterAll(async () => {
    await running.close();
    await receiver.stop();
    await directory.remove();
  });

  afterEach(async () => {
    receiver.answers = [];
    const { body } = await call('GET', 'v1/webhooks');
    for (const { webhookId: id } of body.webhooks as { webhookId: string }[]) await call('DELETE', `webhooks/${id}`);
  });

  test('are made, shown without their secret, changed and deleted', async () => {
    const webhookId = await newWebhook(['model_version.created'], { description: 'tells the pipeline' });
    const { body } = await call('GET', `webhooks/${webhookId}`);
    expect(body.webhook).toEqual({
      webhook_id: webhookId,
      name: 'ci',
      url: receiver.url,
      events: [{ entity: 'MODEL_VERSION', action: 'CREATED' }],
      description: 'tells the pipeline',
      status: 'ACTIVE',
      creation_timestamp: expect.any(Number),
      last_updated_timestamp: expect.any(Number),
    });
    const changed = await call('PATCH', `webhooks/${webhookId}`, { status: 'DISABLED', events: [event('model_version_tag.set')] });
    expect(changed.body.webhook).toMatchObject({ name: 'ci', status: 'DISABLED', events: [event('model_version_tag.set')] });
    expect((await call('GET', 'webhooks')).body.webhooks).toHaveLength(1);
    expect((await call('DELETE', `webhooks/${webhookId}`)).status).toBe(200);
    expect((await call('GET', `webhooks/${webhookId}`)).body).toMatchObject({ error_code: 'RESOURCE_DOES_NOT_EXIST' });
    const logged = () => running.host.offline.query<{ data: string }>("SELECT data FROM millrace.decisions WHERE type = 'WebhookCreated'");
    await waitFor(async () => (await logged()).length > 0);
    for (const { data } of await logged()) expect(data).not.toContain(SECRET);
  });

  test.each([
    [{ name: 'a b' }, /Webhook name 'a b'/],
    [{ url: 'ftp://x/' }, /http:\/\/ or https:\/\//],
    [{ url: 'http://user:pass@x/' }, /user or a password/],
    [{ events: [] }, /at least one of the events/],
    [{ events: [{ entity: 'MOON', action: 'RISEN' }] }, /'moon.risen'. Valid events are/],
    [{ status: 'ON' }, /Valid values are ACTIVE, DISABLED/],
  ])('%j is refused in words', async (wrong, message) => {
    const webhook = { name: 'ci', url: receiver.url, events: [event('run.created')], ...wrong };
    const { status, body } = await call('POST', 'webhooks', webhook);
    expect([status, body]).toEqual([400, { error_code: 'INVALID_PARAMETER_VALUE', message: expect.stringMatching(message) }]);
  });

  test('tell of what is decided, signed as MLflow’s receivers verify it', async () => {
    const webhookId = await newWebhook(['registered_model.created', 'model_version_alias.created', 'prompt.created']);
    const name = await newModel();
    await call('POST', 'model-versions/create', { name, source: 's3://bucket/model' });
    await call('POST', 'registered-models/alias', { name, alias: 'champion', version: '1' });
    await waitFor(() => of(name).length === 2);
    const bodies = of(name).map(({ body }) => body as unknown);
    expect(bodies).toContainEqual({
      entity: 'registered_model',
      action: 'created',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: { name, tags: { team: 'ann' }, description: null },
    });
    expect(bodies).toContainEqual(
      expect.objectContaining({ entity: 'model_version_alias', data: { name, alias: 'champion', version: '1' } }),
    );
    for (const { headers, text } of of(name)) {
      const signed = `${headers['x-mlflow-delivery-id'] as string}.${headers['x-mlflow-timestamp'] as string}.${text}`;
      expect(headers['x-mlflow-signature']).toBe(`v1,${createHmac('sha256', SECRET).update(signed).digest('base64')}`);
    }
    await waitFor(async () => (await deliveries(webhookId)).every((one) => (one as { outcome: string }).outcome === 'delivered'));
  });

  test('are tried again under the same id until the receiver takes it', async () => {
    const webhookId = await newWebhook(['registered_model.created']);
    receiver.answers = [503, 404];
    const name = await newModel();
    await waitFor(() => of(name).length === 3);
    expect(new Set(of(name).map(({ headers }) => headers['x-mlflow-delivery-id'])).size).toBe(1);
    await waitFor(async () => (await deliveries(webhookId)).some((one) => (one as { outcome: string }).outcome === 'delivered'));
    expect(await deliveries(webhookId)).toEqual([
      expect.objectContaining({ event: 'registered_model.created', outcome: 'delivered', attempts: 3, lastStatus: 200, lastError: null }),
    ]);
  });

  test('are given up where trying again is of no use, and after the last attempt', async () => {
    const webhookId = await newWebhook(['registered_model.created']);
    receiver.answers = [410];
    const gone = await newModel();
    await waitFor(() => of(gone).length === 1);
    receiver.answers = [500, 500, 500, 500, 500];
    const broken = await newModel();
    await waitFor(() => of(broken).length === 4);
    await waitFor(
      async () => (await deliveries(webhookId)).filter((one) => (one as { outcome: string }).outcome === 'gave-up').length === 2,
    );
    expect(await deliveries(webhookId)).toEqual([
      expect.objectContaining({ attempts: 4, lastError: 'answered 500: heard' }),
      expect.objectContaining({ attempts: 1, lastStatus: 410 }),
    ]);
  });

  test('of our own events are listed, disabled and deleted as well', async () => {
    const webhookId = await newWebhook(['run.finished']);
    expect((await call('GET', 'webhooks')).body.webhooks).toHaveLength(0);
    const time = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/);
    const listed = { webhookId, name: 'ci', events: [event('run.finished')], createdAt: time, updatedAt: time };
    expect((await call('GET', 'v1/webhooks')).body.webhooks).toEqual([expect.objectContaining({ ...listed, status: 'ACTIVE' })]);
    await call('PATCH', `webhooks/${webhookId}`, { status: 'DISABLED' });
    expect((await call('GET', 'v1/webhooks')).body.webhooks).toEqual([expect.objectContaining({ ...listed, status: 'DISABLED' })]);
    await call('DELETE', `webhooks/${webhookId}`);
    expect((await call('GET', 'v1/webhooks')).body.webhooks).toEqual([]);
  });

  test('are delivered again when somebody asks', async () => {
    const webhookId = await newWebhook(['registered_model.created']);
    receiver.answers = [410];
    const name = await newModel();
    const gaveUp = async () => (await deliveries(webhookId)).find((one) => (one as { outcome: string }).outcome === 'gave-up');
    await waitFor(async () => (await gaveUp()) !== undefined);
    const { deliveryId } = (await gaveUp()) as { deliveryId: string };
    const again = await call('POST', `v1/webhooks/${webhookId}/deliveries/${deliveryId}/redeliver`);
    expect([again.status, again.body.deliveryId]).toEqual([202, expect.not.stringContaining(deliveryId)]);
    await waitFor(() => of(name).length === 2);
    expect(of(name).map(({ headers }) => headers['x-mlflow-delivery-id'])).toEqual([deliveryId, again.body.deliveryId]);
    expect(of(name)[1]?.text).toBe(of(name)[0]?.text);
    const unknown = await call('POST', `v1/webhooks/${webhookId}/deliveries/none/redeliver`);
    expect([unknown.status, unknown.body.code]).toEqual([404, 'MR_REGISTRY_DELIVERY_NOT_FOUND']);
  });

  test('are settled by a receiver that says 200 and goes on talking', async () => {
    const webhookId = await newWebhook(['registered_model.created']);
    receiver.answers = ['endless'];
    const name = await newModel();
    await waitFor(async () => (await deliveries(webhookId)).some((one) => (one as { outcome: string }).outcome === 'delivered'), {
      timeoutMs: 8_000,
    });
    expect(of(name)).toHaveLength(1);
  });

  test('are told of nothing that was before them', async () => {
    const before = await newModel();
    await newWebhook(['registered_model.created']);
    const after = await newModel();
    await waitFor(() => of(after).length === 1);
    expect(of(before)).toHaveLength(0);
  });

  test('can be tested', async () => {
    const webhookId = await newWebhook(['registered_model.created', 'model_version.created']);
    const tested = await call('POST', `webhooks/${webhookId}/test`, { event: event('model_version.created') });
    expect(tested.body.result).toEqual({ success: true, response_status: 200, response_body: 'heard' });
    const data = { name: 'example_model', version: '1', source: 'models:/123', run_id: 'abcd1234abcd5678' };
    expect(receiver.received.at(-1)?.body).toMatchObject({ entity: 'model_version', action: 'created', data });
    receiver.answers = [404];
    const failed = await call('POST', `webhooks/${webhookId}/test`, {});
    expect(failed.body.result).toMatchObject({ success: false, response_status: 404, error_message: 'The receiver answered 404.' });
  });

  test('are sent after a restart what was due before it', async () => {
    await newWebhook(['registered_model.created']);
    await receiver.stop();
    const name = await newModel();
    await running.close();
    await receiver.start();
    running = await start({ MILLRACE_REGISTRY_WEBHOOK_ATTEMPTS: '20' });
    await waitFor(() => of(name).length >= 1, { timeoutMs: 20_000 });
  }, 90_000);

  test('do not reach private addresses unless they may', async () => {
    await running.close();
    running = await start({ MILLRACE_REGISTRY_WEBHOOK_PRIVATE: 'false' });
    const webhookId = await newWebhook(['registered_model.created']);
    for (const url of [
      receiver.url,
      receiver.url.replace('127.0.0.1', 'localhost'),
      receiver.url.replace('127.0.0.1', '[::ffff:7f00:1]'),
    ]) {
      await call('PATCH', `webhooks/${webhookId}`, { url });
      const { body } = await call('POST', `webhooks/${webhookId}/test`, {});
      expect(body.result).toMatchObject({ success: false, error_message: expect.stringContaining('private address') });
    }
  }, 90_000);
});
