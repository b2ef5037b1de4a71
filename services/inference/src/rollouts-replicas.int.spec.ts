import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RunningService } from '@millrace/service';
import { logisticRegression } from '@millrace/onnx';
import { waitFor } from '@millrace/testing';
import type { Arms, Evidence } from './domain/rollout/rollout.events.js';
import { delayModel } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';
import { Replicas } from './testing/replicas.js';

interface Explained {
  readonly status: string;
  readonly run: number;
  readonly arms?: Arms;
  readonly evidence: Evidence | null;
  readonly decisions: readonly { readonly type: string; readonly sequence: number }[];
}

describe('rollouts of two replicas on Kafka', () => {
  const engines = new Replicas();
  const replicas: RunningService[] = [];
  let models: PublishedModels;

  beforeAll(async () => {
    await engines.open('rollouts-replicas');
    for (const name of ['one', 'two']) replicas.push(await engines.here(name));
    models = new PublishedModels(replicas[0]!.host);
    await models.register('delay', delayModel(0));
    await models.register('delay', delayModel(2));
    await models.alias('delay', 'next', 2);
    await models.register('delay', logisticRegression({ features: ['a', 'b'], weights: [1, 1], bias: 0, mean: [0, 0], scale: [1, 1] }));
  }, 240_000);
  afterAll(() => engines.close(), 60_000);

  const post = (replica: number, path: string, body: string): Promise<Response> =>
    fetch(`${replicas[replica]!.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const infer = async (replica: number, model: string, unit: string): Promise<{ status: number; variant: string | undefined }> => {
    const inputs = [{ name: 'input', datatype: 'FP32', shape: [1, 3], data: [500, 10, 1] }];
    const response = await post(replica, `/v2/models/${model}/infer`, JSON.stringify({ parameters: { unit }, inputs }));
    const reply = (await response.json()) as { parameters?: { variant?: string } };
    return { status: response.status, variant: reply.parameters?.variant };
  };
  const explain = async (replica: number, name: string): Promise<Explained> =>
    (await fetch(`${replicas[replica]!.url}/api/v1/rollouts/${name}/explain`)).json() as Promise<Explained>;
  const deploy = async (name: string, rollout: string): Promise<void> => {
    const response = await post(
      0,
      '/api/v1/apply',
      `
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: ${name}}
spec: {model: models:/delay/1}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: ${name}-2}
spec: {deployment: ${name}, ${rollout}}
`,
    );
    if (!response.ok) throw new Error(await response.text());
    // Somebody is told to be the primary's once the candidate is loaded too.
    const isSplit = async (replica: number): Promise<boolean> =>
      (await Promise.all(units.slice(0, 10).map((unit) => infer(replica, name, unit)))).some(({ variant }) => variant === 'primary');
    for (const replica of [0, 1]) await waitFor(() => isSplit(replica), { timeoutMs: 60_000, what: `replica ${replica} to split` });
  };
  const units = Array.from({ length: 60 }, (_, index) => `u${index}`);

  test('one begins it, both assign alike, and what is taken back at one is taken back at the other', async () => {
    await deploy('late', 'candidate: models:/delay/2, strategy: canary, steps: [{share: 50%, samples: 1000000}]');
    const assigned = await Promise.all(
      [0, 1].map((replica) => Promise.all(units.map(async (unit) => (await infer(replica, 'late', unit)).variant))),
    );
    expect(assigned[0]).toEqual(assigned[1]);
    expect(new Set(assigned[0])).toEqual(new Set(['candidate', 'primary']));
    expect((await explain(1, 'late-2')).decisions.filter(({ type }) => type === 'RolloutStarted').length).toBe(1);
    expect((await post(0, '/api/v1/rollouts/late-2/abort', '{}')).status).toBe(200);
    const isBack = async (): Promise<boolean> => (await infer(1, 'late', units[assigned[1]!.indexOf('candidate')]!)).variant === undefined;
    await waitFor(isBack, { what: 'the other replica to have read it', intervalMs: 5 });
  }, 120_000);

  test('both judge, and one decision rolls back everywhere', async () => {
    await deploy('broken', 'candidate: models:/delay/3, strategy: canary, steps: [50%], gates: [{metric: error_rate}]');
    for (let index = 0; index < 400 && (await explain(index % 2, 'broken-2')).status === 'running'; index++)
      await infer(index % 2, 'broken', `u${index}`);
    const told = await Promise.all([0, 1].map((replica) => explain(replica, 'broken-2')));
    expect(told[0]).toMatchObject({ status: 'rolledBack' });
    expect(told[1]?.decisions).toEqual(told[0]?.decisions);
    expect(told[0]?.decisions.filter(({ type }) => type === 'RolloutRolledBack').length).toBe(1);
    for (const replica of [0, 1])
      for (const unit of units.slice(0, 10)) expect(await infer(replica, 'broken', unit)).toEqual({ status: 200, variant: undefined });
  }, 120_000);

  test('another version behind the candidate begins one run anew, whoever sees it first', async () => {
    await deploy('moved', 'candidate: models:/delay@next, strategy: canary, steps: [{share: 50%, samples: 1000000}]');
    await models.alias('delay', 'next', 3);
    await models.alias('delay', 'next', 2);
    await models.alias('delay', 'next', 3);
    const begun = await waitFor(async () => {
      const [one, two] = await Promise.all([0, 1].map((replica) => explain(replica, 'moved-2')));
      return one?.arms?.candidate.version === 3 && two?.arms?.candidate.version === 3 && one;
    });
    // Both go on looking: what one began the other does not begin again.
    for (let index = 0; index < 40; index++) await infer(index % 2, 'moved', `u${index}`);
    await waitFor(async () => ((await explain(1, 'moved-2')).evidence?.requests.primary ?? 0) > 0);
    for (const replica of [0, 1])
      expect(await explain(replica, 'moved-2')).toMatchObject({ run: begun.run, arms: { candidate: { version: 3 } } });
    expect(begun.decisions.filter(({ type }) => type === 'RolloutStarted').length).toBe(begun.run);
    expect(begun.run).toBeLessThanOrEqual(4);
  }, 120_000);
});
