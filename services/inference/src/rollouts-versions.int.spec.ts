import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addsModel, readModel, writeModel } from '@millrace/onnx';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import type { Arms, Evidence } from './domain/rollout/rollout.events.js';
import { PublishedModels } from './testing/published-models.js';

interface Shown {
  readonly status: string;
  readonly run: number;
  readonly share: number;
  readonly reason: string;
  readonly waitsFor: string | null;
  readonly deployment?: string;
  readonly arms?: Arms;
  readonly evidence: Evidence | null;
  readonly decisions: readonly { readonly type: string; readonly data: Record<string, unknown> }[];
}

/** `adds`, giving its result under another name. */
function renamed(bias: number, name: string): Uint8Array {
  const model = readModel(addsModel(bias));
  const [node] = model.graph?.node ?? [];
  const [output] = model.graph?.output ?? [];
  Object.assign(node as object, { output: [name] });
  Object.assign(output as object, { name });
  return writeModel(model);
}

/** Labels that a gate's two arms have met. */
function sumOf(evidence: Evidence | null): number {
  const { 'primary.n': primary = 0, 'candidate.n': candidate = 0 } = evidence?.gates[0]?.numbers ?? {};
  return primary + candidate;
}

describe('which versions a rollout is about', () => {
  let temp: TempDir;
  let service: RunningService;
  let models: PublishedModels;
  const environment = (): Record<string, string> => ({
    MILLRACE_DATA_DIR: temp.path,
    MILLRACE_PORT: '0',
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_LOG_LEVEL: 'error',
  });
  const start = (): Promise<RunningService> => bootstrap(InferenceModule, loadConfig([inferenceConfig], environment()));

  beforeAll(async () => {
    temp = await tempDir('rollouts-versions');
    service = await start();
    models = new PublishedModels(service.host);
    await models.register('adds', addsModel(1));
    await models.register('adds', addsModel(2));
    await models.register('adds', addsModel(3));
    await models.register('broken', Buffer.from('no model'));
    await models.register('renamed', renamed(5, 'z'));
    await models.alias('adds', 'next', 2);
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const call = async <T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> => {
    const init = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${service.url}${path}`, { method, ...init });
    return { status: response.status, body: (await response.json()) as T };
  };
  const apply = async (kind: string, name: string, spec: string): Promise<void> => {
    const body = `{apiVersion: millrace.dev/v1, kind: ${kind}, metadata: {name: ${name}}, spec: ${spec}}`;
    const response = await fetch(`${service.url}/api/v1/apply`, { method: 'POST', body });
    if (!response.ok) throw new Error(await response.text());
  };
  const deploy = async (name: string, rollout: string): Promise<void> => {
    await apply('Deployment', name, '{model: models:/adds/1}');
    await apply('Rollout', `${name}-2`, `{deployment: ${name}, ${rollout}}`);
    await waitFor(async () => (await fetch(`${service.url}/v2/models/${name}/ready`)).ok);
  };
  const explain = async (name: string): Promise<Shown> => (await call<Shown>('GET', `/api/v1/rollouts/${name}/explain`)).body;
  const shown = (name: string, is: (state: Shown) => boolean, what: string): Promise<Shown> =>
    waitFor(
      async () => {
        const state = await explain(name);
        return is(state) && state;
      },
      { what },
    );
  const infer = async (
    model: string,
    parameters: Record<string, unknown> = { unit: randomUUID() },
  ): Promise<{ status: number; y: unknown; variant: unknown; id: string }> => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [0] }];
    const { status, body } = await call<{ outputs?: { name: string; data: number[] }[]; parameters?: Record<string, string> }>(
      'POST',
      `/v2/models/${model}/infer`,
      { parameters, inputs },
    );
    const y = body.outputs?.find(({ name }) => name === 'y')?.data[0];
    return { status, y, variant: body.parameters?.['variant'], id: body.parameters?.['prediction_id'] ?? '' };
  };

  test('a candidate that cannot be loaded is promoted by nobody, and says why it waits', async () => {
    await deploy(
      'sound',
      'candidate: models:/broken/1, strategy: canary, steps: [{share: 10%, pause: 1ms}], gates: [{metric: error_rate, guard: true}]',
    );
    const waiting = await shown('sound-2', ({ waitsFor }) => waitsFor?.includes('being loaded') === false, 'the load to fail');
    expect(waiting).toMatchObject({
      status: 'running',
      waitsFor: expect.stringMatching(/^candidate models:\/broken\/1: .*broken version 1/),
    });
    for (let index = 0; index < 20; index++) expect(await infer('sound')).toMatchObject({ status: 200, y: 1 });
    expect(await call('POST', '/api/v1/rollouts/sound-2/promote')).toMatchObject({
      status: 409,
      body: { code: 'MR_INFERENCE_ROLLOUT_UNSERVABLE', detail: expect.stringContaining('broken version 1') },
    });
    const after = await explain('sound-2');
    expect(after).toMatchObject({ status: 'running', share: 0.1 });
    expect(after.decisions.map(({ type }) => type)).not.toContain('RolloutAdvanced');
  }, 60_000);

  test('of two that were promoted the earlier says that it does not answer, and an Experiment in the way holds every gate', async () => {
    await deploy('twice', 'candidate: models:/adds/2, strategy: canary, steps: [50%]');
    await waitFor(async () => (await call('POST', '/api/v1/rollouts/twice-2/promote')).status === 200);
    await apply('Rollout', 'twice-3', '{deployment: twice, candidate: models:/adds/3, strategy: canary, steps: [{share: 50%, pause: 1s}]}');
    await waitFor(async () => (await call('POST', '/api/v1/rollouts/twice-3/pause')).status === 200);
    await waitFor(async () => (await infer('twice')).variant === 'candidate');
    await apply('Experiment', 'between', '{unit: unit, variants: [{name: a, weight: 1}, {name: b, weight: 1}]}');
    await apply('Deployment', 'twice', '{model: models:/adds/1, experiment: between}');
    const held = await shown('twice-3', ({ waitsFor }) => waitsFor?.includes('Experiment') === true, 'the experiment to be in the way');
    expect(held.waitsFor).toMatch(/^Experiment between, which assigns the units of Deployment twice/);
    expect((await call('POST', '/api/v1/rollouts/twice-3/resume')).status).toBe(200);
    // Long enough for two looks after its pause is over.
    const resumed = Date.now();
    await waitFor(() => Date.now() > resumed + 1100);
    expect((await explain('twice-3')).status).toBe('running');
    await apply('Deployment', 'twice', '{model: models:/adds/1}');
    await shown('twice-3', ({ status }) => status === 'promoted', 'it to go on');
    expect((await explain('twice-2')).waitsFor).toBe('Rollout twice-3 was promoted after it and answers in its stead');
    expect((await explain('twice-3')).waitsFor).toBeNull();
    await call('POST', '/api/v1/rollouts/twice-3/abort');
    expect((await explain('twice-2')).waitsFor).toBeNull();
  }, 60_000);

  test('a candidate that does not exist is waited for by name, and shown with what it is of', async () => {
    await deploy('early', 'candidate: models:/adds/99, strategy: canary, steps: [50%]');
    expect(await explain('early-2')).toMatchObject({
      ...{ status: 'waiting', deployment: 'early', candidate: 'models:/adds/99' },
      waitsFor: 'candidate models:/adds/99: model "adds" has no version 99',
    });
  }, 60_000);

  test('requests without a unit move nothing, and that is told', async () => {
    await deploy('unnamed', 'candidate: models:/adds/2, strategy: canary, steps: [50%]');
    const told = await waitFor(async () => {
      await infer('unnamed', {});
      const state = await explain('unnamed-2');
      return state.waitsFor?.includes('unit') === true && state;
    });
    expect(told.waitsFor).toMatch(/^requests that name a unit; \d+ came without/);
  }, 60_000);

  test('the unit is taken from an input of one value a row', async () => {
    await deploy('keyed', 'candidate: models:/adds/2, strategy: canary, unit: x, steps: [50%]');
    await waitFor(async () => {
      const { variant } = await infer('keyed', {});
      return variant !== undefined;
    });
  }, 60_000);

  test('labels by unit and event time join requests by tensors, without a feature service', async () => {
    await deploy('timed', 'candidate: models:/adds/2, strategy: ab, gates: [{metric: label_mean, label: paid}]');
    await waitFor(async () => (await infer('timed', { unit: randomUUID() })).variant !== undefined);
    const at = '2026-01-01T12:00:00Z';
    const units = Array.from({ length: 20 }, (_, index) => `v${index}`);
    for (const unit of units) await infer('timed', { unit, event_time: at });
    const labels = units.map((unit) => ({ unit, predictedAt: at, name: 'paid', value: true }));
    expect((await call('POST', '/api/v1/deployments/timed/labels', labels)).status).toBe(202);
    const counted = await shown('timed-2', ({ evidence }) => sumOf(evidence) === 20, 'the labels to be counted');
    expect(counted.evidence?.gates[0]?.samples).toBeGreaterThan(0);
    expect((await infer('timed', { event_time: 'soon' })).status).toBe(400);
    // Of another deployment: they are not its own.
    await apply('Deployment', 'beside', '{model: models:/adds/1}');
    expect(
      (
        await call(
          'POST',
          '/api/v1/deployments/beside/labels',
          labels.map((label) => ({ ...label, value: false, time: Date.now() + 60_000 })),
        )
      ).status,
    ).toBe(202);
    await waitFor(async () => {
      const found = await service.host.offline.query<{ n: string; paid: string }>(
        `SELECT count() AS n, sum(label) AS paid FROM millrace.predictions_labelled WHERE deployment = 'timed' AND label_name = 'paid'`,
      );
      return Number(found[0]?.n) === 20 && Number(found[0]?.paid) === 20;
    });
  }, 60_000);

  test('a step is passed by what was shown in it, not by what had been when it began', async () => {
    await deploy('stepped', 'candidate: models:/adds/2, strategy: canary, steps: [40%, 60%], gates: [{metric: error_rate, margin: 0.3}]');
    const promoted = await waitFor(
      async () => {
        for (let index = 0; index < 10; index++) await infer('stepped');
        const state = await explain('stepped-2');
        return state.status === 'promoted' && state;
      },
      { what: 'both steps to be over' },
    );
    const [first, second] = promoted.decisions
      .filter(({ type }) => type === 'RolloutAdvanced')
      .map(({ data }) => data['evidence'] as Evidence);
    const requests = (evidence: Evidence | undefined): number => (evidence?.requests.primary ?? 0) + (evidence?.requests.candidate ?? 0);
    expect(requests(second) - requests(first)).toBeGreaterThanOrEqual(2 * (second?.gates[0]?.samples ?? 0));
  }, 60_000);

  test('another version behind the candidate’s alias begins a run of its own, by what it shows itself', async () => {
    await deploy('moved', 'candidate: models:/adds@next, strategy: canary, steps: [50%], gates: [{metric: error_rate, margin: 0.01}]');
    const first = await waitFor(async () => {
      await infer('moved');
      const state = await explain('moved-2');
      return (state.evidence?.requests.candidate ?? 0) > 3 && state;
    });
    expect(first.arms).toEqual({ primary: { model: 'adds', version: 1 }, candidate: { model: 'adds', version: 2 } });
    await models.alias('adds', 'next', 3);
    const second = await shown('moved-2', ({ run }) => run === 2, 'the second run');
    expect(second).toMatchObject({
      arms: { candidate: { version: 3 } },
      reason: 'begun anew: the candidate is models:/adds/3 now and was models:/adds/2',
    });
    const met = await waitFor(async () => {
      const { variant, y } = await infer('moved');
      return variant === 'candidate' && y;
    });
    expect(met).toBe(3);
    const before = (await explain('moved-2')).evidence?.requests.candidate ?? 0;
    expect(before).toBeLessThan(first.evidence?.requests.candidate ?? 0);
    // Also another primary: what the old one did says nothing of it.
    await apply('Deployment', 'moved', '{model: models:/adds/2}');
    expect((await shown('moved-2', ({ run }) => run === 3, 'the third run')).reason).toBe(
      'begun anew: the primary is models:/adds/2 now and was models:/adds/1',
    );
    // What is promoted is the version that was tried, wherever the alias goes then.
    expect((await call('POST', '/api/v1/rollouts/moved-2/promote')).status).toBe(200);
    await models.alias('adds', 'next', 1);
    expect(await infer('moved')).toMatchObject({ status: 200, y: 3 });
  }, 60_000);

  test('a candidate whose answers nobody could read is rolled back, and every caller gets the primary’s', async () => {
    await deploy('told', 'candidate: models:/renamed/1, strategy: canary, steps: [50%], gates: [{metric: error_rate}]');
    const rolledBack = await waitFor(async () => {
      for (let index = 0; index < 10; index++) expect(await infer('told')).toMatchObject({ status: 200, y: 1 });
      const state = await explain('told-2');
      return state.status === 'rolledBack' && state;
    });
    expect(rolledBack.reason).toMatch(/^worse beyond doubt: error_rate 1 /);
    await deploy('untold', 'candidate: models:/renamed/1, strategy: canary, steps: [{share: 50%, pause: 1ms}]');
    expect((await shown('untold-2', ({ waitsFor }) => waitsFor?.includes('output') === true, 'the difference')).waitsFor).toBe(
      'candidate models:/renamed/1: it gives no output "y", which the primary gives',
    );
    expect((await call('POST', '/api/v1/rollouts/untold-2/promote')).status).toBe(409);
  }, 60_000);

  test('a promoted candidate that is gone leaves the answer to the deployment’s own, also after a restart', async () => {
    await models.register('passing', addsModel(7));
    await deploy('kept', 'candidate: models:/passing/1, strategy: canary, steps: [50%]');
    await waitFor(async () => (await call('POST', '/api/v1/rollouts/kept-2/promote')).status === 200);
    expect(await infer('kept')).toMatchObject({ status: 200, y: 7 });
    await service.host.artifacts.put('models/passing/1/model.onnx', Buffer.from('no model any more'));
    await service.close();
    service = await start();
    models = new PublishedModels(service.host);
    await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
    await waitFor(async () => (await infer('kept')).status === 200);
    expect(await infer('kept')).toMatchObject({ status: 200, y: 1 });
    expect((await fetch(`${service.url}/v2/models/kept/ready`)).status).toBe(200);
    const { status, waitsFor } = await explain('kept-2');
    expect([status, waitsFor]).toEqual([
      'promoted',
      expect.stringMatching(/^candidate models:\/passing\/1: .*; what served before it answers$/),
    ]);
  }, 60_000);

  test('a deployment that is pointed at what cannot be served is answered as before until it can', async () => {
    await apply('Deployment', 'steady', '{model: models:/adds/1}');
    await waitFor(async () => (await infer('steady')).status === 200);
    for (const model of ['models:/adds/77', 'models:/broken/1']) {
      await apply('Deployment', 'steady', `{model: ${model}}`);
      for (let index = 0; index < 20; index++) expect(await infer('steady')).toMatchObject({ status: 200, y: 1 });
    }
    await apply('Deployment', 'steady', '{model: models:/adds/2}');
    await waitFor(async () => (await infer('steady')).y === 2);
  }, 60_000);
});
