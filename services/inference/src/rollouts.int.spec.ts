import { assign } from '@millrace/assignment';
import { TOPICS } from '@millrace/contracts';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { logisticRegression } from '@millrace/onnx';
import { tempDir, waitFor, type TempDir } from '@millrace/testing';
import { InferenceModule, inferenceConfig } from './index.js';
import type { Arms, Evidence, RolloutPlan, RolloutStarted } from './domain/rollout/rollout.events.js';
import { judgeGates } from './rollouts/judge-gates.js';
import { foldRecord, topicsOf } from './rollouts/rollout-follower.js';
import { RolloutSums } from './rollouts/rollout-sums.js';
import { delayModel } from './testing/flights.js';
import { PublishedModels } from './testing/published-models.js';

interface Shown {
  readonly status: string;
  readonly run: number;
  readonly share: number;
  readonly reason: string;
  readonly waitsFor: string | null;
  readonly isConcluded: boolean;
  readonly arms?: Arms;
  readonly evidence: Evidence | null;
  readonly decisions: readonly { readonly type: string; readonly actor: string; readonly data: Record<string, unknown> }[];
}

describe('rollouts on the embedded log and stores', () => {
  let temp: TempDir;
  let service: RunningService;
  const start = (): Promise<RunningService> =>
    bootstrap(
      InferenceModule,
      loadConfig([inferenceConfig], {
        MILLRACE_DATA_DIR: temp.path,
        MILLRACE_PORT: '0',
        MILLRACE_GRPC_PORT: '0',
        MILLRACE_CLICKHOUSE_PORT: '0',
        MILLRACE_LOG_LEVEL: 'error',
      }),
    );

  beforeAll(async () => {
    temp = await tempDir('rollouts');
    service = await start();
    const models = new PublishedModels(service.host);
    await models.register('delay', delayModel(0));
    await models.register('delay', delayModel(2));
    // Takes two columns where the others take three.
    await models.register('delay', logisticRegression({ features: ['a', 'b'], weights: [1, 1], bias: 0, mean: [0, 0], scale: [1, 1] }));
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  const call = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: never }> => {
    const init = body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${service.url}${path}`, { method, ...init });
    return { status: response.status, body: (await response.json()) as never };
  };
  const apply = async (yaml: string): Promise<void> => {
    const response = await fetch(`${service.url}/api/v1/apply`, { method: 'POST', body: yaml });
    if (!response.ok) throw new Error(await response.text());
  };
  const deploy = async (name: string, rollout: string): Promise<void> => {
    await apply(`
apiVersion: millrace.dev/v1
kind: Deployment
metadata: {name: ${name}}
spec: {model: models:/delay/1}
---
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: ${name}-2}
spec: {deployment: ${name}, ${rollout}}
`);
    const began = (): Promise<boolean> => explain(`${name}-2`).then(({ run }) => run > 0);
    await waitFor(began, { what: 'the rollout to begin' });
    await waitFor(async () => (await fetch(`${service.url}/v2/models/${name}/ready`)).ok);
  };
  const explain = async (name: string): Promise<Shown> => (await call('GET', `/api/v1/rollouts/${name}/explain`)).body;
  const infer = async (
    model: string,
    unit?: string,
  ): Promise<{ status: number; version: string; variant: string | undefined; id: string }> => {
    const parameters = unit === undefined ? {} : { unit };
    const inputs = [{ name: 'input', datatype: 'FP32', shape: [1, 3], data: [500, 10, 1] }];
    const { status, body } = await call('POST', `/v2/models/${model}/infer`, { parameters, inputs });
    const reply = body as { model_version: string; parameters?: Record<string, string> };
    return { status, version: reply.model_version, variant: reply.parameters?.['variant'], id: reply.parameters?.['prediction_id'] ?? '' };
  };
  const candidateLoaded = (model: string, rule: Parameters<typeof assign>[0]): Promise<unknown> => {
    const unit = Array.from({ length: 100 }, (_, index) => `w${index}`).find((name) => assign(rule, name) === 'candidate') as string;
    return waitFor(async () => {
      const { status, variant } = await infer(model, unit);
      return status !== 200 || variant === 'candidate';
    });
  };
  const ruleOf = (salt: string, share: number): Parameters<typeof assign>[0] => ({
    salt,
    variants: [
      { name: 'candidate', weight: share },
      { name: 'primary', weight: 1 - share },
    ],
  });

  /** Folds the facts again, up to where a decision was taken, in whatever order the topics' partitions come. */
  async function refold(name: string, { plan, positions, run, arms }: RolloutStarted, until: Evidence['positions']): Promise<Evidence> {
    const sums = new RolloutSums(name, run, plan, positions, arms);
    for (const topic of topicsOf(plan).reverse()) {
      for (const partition of [3, 2, 1, 0]) {
        const key = `${topic}/${partition}`;
        for await (const record of service.host.log.read(topic, partition, positions[key] ?? 0, until[key])) foldRecord(sums, record, name);
        sums.passed(topic, partition, until[key] ?? 0);
      }
    }
    return judgeGates(plan, sums, sums);
  }

  test('a canary: units stick to their variant, the candidate is promoted by its gates, and can be taken back at once', async () => {
    await deploy(
      'late',
      'candidate: models:/delay/2, strategy: canary, steps: [{share: 50%, samples: 20}], gates: [{metric: error_rate, margin: 0.3}]',
    );
    const rule = ruleOf('late-2', 0.5);
    await candidateLoaded('late', rule);
    for (let index = 0; index < 400 && (await infer('late')).version === '1'; index++) {
      const unit = `u${index % 40}`;
      const { status, version, variant } = await infer('late', unit);
      expect(status).toBe(200);
      const now = (await explain('late-2')).status;
      if (now !== 'running') break;
      expect([variant, version]).toEqual(assign(rule, unit) === 'candidate' ? ['candidate', '2'] : ['primary', '1']);
    }
    const promoted = await waitFor(async () => {
      const shown = await explain('late-2');
      return shown.status === 'promoted' && shown;
    });
    const decision = promoted.decisions.at(-1)!;
    expect(decision).toMatchObject({ type: 'RolloutAdvanced', actor: 'inference', data: { isPromoted: true, share: 1, by: 'gates' } });
    expect(promoted.reason).toMatch(/^passed: error_rate 0 \(.*\) from \d+ samples$/);
    const evidence = decision.data['evidence'] as Evidence;
    expect(evidence.gates[0]).toMatchObject({ metric: 'error_rate', verdict: 'passed', estimate: 0, bound: 0.3, more: 0 });
    expect(await refold('late-2', promoted.decisions[0]!.data as never, evidence.positions)).toEqual(evidence);
    // Also whoever says no unit is answered by it now.
    expect(await infer('late')).toMatchObject({ status: 200, version: '2' });
    const indexed = async (): Promise<unknown> =>
      ((await call('POST', '/v2/repository/index', {})).body as { name: string }[]).find(({ name }) => name === 'late');
    expect(await indexed()).toMatchObject({ version: '2', state: 'READY' });
    const aborted = await call('POST', '/api/v1/rollouts/late-2/abort', { reason: 'complaints' });
    expect(aborted).toMatchObject({ status: 200, body: { status: 'rolledBack', share: 0, reason: 'complaints' } });
    expect(await infer('late', 'u1')).toMatchObject({ status: 200, version: '1', variant: undefined });
    expect(await indexed()).toMatchObject({ version: '1', state: 'READY' });
    expect(await call('POST', '/api/v1/rollouts/late-2/promote', {})).toMatchObject({
      status: 409,
      body: { code: 'MR_INFERENCE_ROLLOUT_OVER' },
    });
  }, 60_000);

  test('a candidate that cannot answer is rolled back, and the numbers say why', async () => {
    await deploy(
      'broken',
      'candidate: models:/delay/3, strategy: canary, fallback: none, steps: [20%, 50%], gates: [{metric: error_rate}, {metric: latency_p99}]',
    );
    await candidateLoaded('broken', ruleOf('broken-2', 0.2));
    let failed = 0;
    for (let index = 0; index < 500; index++) {
      const { status } = await infer('broken', `u${index}`);
      if (status !== 200) failed++;
      if ((await explain('broken-2')).status === 'rolledBack') break;
    }
    const { status, reason, decisions } = await explain('broken-2');
    expect(status).toBe('rolledBack');
    expect(reason).toMatch(/^worse beyond doubt: error_rate 1 /);
    expect(failed).toBeLessThan(60);
    const evidence = decisions.at(-1)?.data['evidence'] as Evidence;
    expect(evidence.gates[0]?.numbers).toMatchObject({ primaryErrors: 0, candidateErrors: evidence.requests.candidate });
    expect(await refold('broken-2', decisions[0]!.data as never, evidence.positions)).toEqual(evidence);
    for (let index = 0; index < 30; index++) expect(await infer('broken', `u${index}`)).toMatchObject({ status: 200, version: '1' });
  }, 60_000);

  test('what the candidate fails is answered by the primary, and counts against the candidate', async () => {
    await deploy('spared', 'candidate: models:/delay/3, strategy: canary, steps: [20%], gates: [{metric: error_rate}]');
    const explained = await waitFor(async () => {
      for (let index = 0; index < 20; index++) expect(await infer('spared', `u${index}`)).toMatchObject({ status: 200, version: '1' });
      const shown = await explain('spared-2');
      return shown.status === 'rolledBack' && shown;
    });
    const evidence = explained.decisions.at(-1)?.data['evidence'] as Evidence;
    expect(evidence.requests.candidate).toBeGreaterThan(0);
    expect(evidence.gates[0]?.numbers).toMatchObject({ primaryErrors: 0, candidateErrors: evidence.requests.candidate });
    expect(await refold('spared-2', explained.decisions[0]!.data as never, evidence.positions)).toEqual(evidence);
    // Both are on record: the candidate's failure in the rollout, the primary's answer outside of it.
    const rows = await waitFor(async () => {
      const found = await service.host.offline.query<{ variants: string[]; versions: number[]; codes: string[] }>(`
        SELECT groupArray(variant) AS variants, groupArray(version) AS versions, groupArray(error_code) AS codes
        FROM (SELECT * FROM millrace.predictions FINAL WHERE deployment = 'spared' ORDER BY version)
        GROUP BY prediction_id HAVING count() = 2`);
      return found.length >= evidence.requests.candidate && found;
    });
    expect(rows[0]).toEqual({ variants: ['primary', 'candidate'], versions: [1, 3], codes: ['', 'MR_INFERENCE_UNSERVABLE'] });
  }, 60_000);

  test('a candidate whose units pay less is rolled back by their outcomes', async () => {
    await deploy(
      'paying',
      'candidate: models:/delay/2, strategy: canary, steps: [50%], gates: [{metric: outcome_proportion, outcome: paid, within: 200ms}]',
    );
    await candidateLoaded('paying', ruleOf('paying-2', 0.5));
    const pay = async (unit: string, variant: string | undefined): Promise<void> => {
      const data = { experiment: 'paying-2', unit, metric: 'paid', value: Number(variant === 'primary') };
      const fact = { key: unit, domain: 'experimentation', type: 'OutcomeRecorded', subject: `unit/${unit}`, id: `paid-${unit}` };
      await service.host.facts.append(TOPICS.outcomes.name, [{ ...fact, time: Date.now(), data }]);
    };
    const rolledBack = await waitFor(
      async () => {
        for (let index = 0; index < 20; index++) {
          const unit = randomUUID();
          await pay(unit, (await infer('paying', unit)).variant);
        }
        const shown = await explain('paying-2');
        return shown.status === 'rolledBack' && shown;
      },
      { what: 'the outcomes to decide' },
    );
    expect(rolledBack.reason).toMatch(/^worse beyond doubt: outcome_proportion of paid /);
    const evidence = rolledBack.decisions.at(-1)?.data['evidence'] as Evidence;
    expect(evidence.gates[0]?.numbers['candidate.n']).toBeGreaterThan(5);
    const { plan } = rolledBack.decisions[0]!.data as { plan: RolloutPlan };
    expect(topicsOf(plan)).toEqual([TOPICS.predictions.name, TOPICS.exposures.name, TOPICS.outcomes.name]);
    expect(await refold('paying-2', rolledBack.decisions[0]!.data as never, evidence.positions)).toEqual(evidence);
  }, 60_000);

  test('a shadow: every answer is the primary’s, pairs are compared, a candidate that disagrees is no longer asked', async () => {
    await deploy('watched', 'candidate: models:/delay/2, strategy: shadow, gates: [{metric: disagreement}, {metric: brier, label: truth}]');
    const ids: string[] = [];
    for (let index = 0; index < 1000; index++) {
      const { version, id, variant } = await infer('watched', `u${index}`);
      expect([version, variant]).toEqual(['1', undefined]);
      ids.push(id);
      if (index % 10 === 0 && (await explain('watched-2')).status === 'rolledBack') break;
    }
    const { status, reason, decisions } = await explain('watched-2');
    expect([status, reason]).toEqual(['rolledBack', expect.stringMatching(/^worse beyond doubt: disagreement 1 /)]);
    const { plan } = decisions[0]!.data as { plan: RolloutPlan };
    expect(topicsOf(plan)).toEqual([TOPICS.shadows.name, TOPICS.labels.name]);
    const evidence = decisions.at(-1)?.data['evidence'] as Evidence;
    expect(await refold('watched-2', decisions[0]!.data as never, evidence.positions)).toEqual(evidence);
    const rows = await waitFor(async () => {
      const found = await service.host.offline.query<{ candidate_prediction: number }>(
        `SELECT candidate_prediction FROM millrace.shadow_answers WHERE rollout = 'watched-2'`,
      );
      return found.length >= evidence.requests.candidate && found;
    });
    expect(rows[0]?.candidate_prediction).toBeGreaterThan(0.8);
  }, 60_000);

  test('an A/B split by labels: pending is no pass; it is concluded, and a person promotes it', async () => {
    await deploy('split', 'candidate: models:/delay/2, strategy: ab, gates: [{metric: misclassification, label: late, margin: 0.5}]');
    await candidateLoaded('split', ruleOf('split-2', 0.5));
    const ids: string[] = [];
    for (let index = 0; index < 160; index++) ids.push((await infer('split', `u${index}`)).id);
    const pending = await waitFor(async () => {
      const shown = await explain('split-2');
      return (shown.evidence?.requests.candidate ?? 0) > 50 && shown;
    });
    expect(pending.evidence?.gates[0]).toMatchObject({ verdict: 'undecided', samples: 0, more: null });
    // Both predict 0.5 and more, so both are right when the flight was late.
    const labels = ids.map((predictionId) => ({ predictionId, name: 'late', value: 1 }));
    expect((await call('POST', '/api/v1/deployments/split/labels', labels)).status).toBe(202);
    const concluded = await waitFor(async () => {
      const shown = await explain('split-2');
      return shown.isConcluded && shown;
    });
    expect(concluded).toMatchObject({ status: 'running', share: 0.5, waitsFor: 'a person, to promote it' });
    expect(concluded.decisions.at(-1)).toMatchObject({ type: 'RolloutHeld', data: { isConcluded: true } });
    // What it waits for is still told when a person has paused and resumed it: the reason is theirs by then.
    expect((await call('POST', '/api/v1/rollouts/split-2/pause')).body).toMatchObject({ waitsFor: 'a person, who paused it' });
    expect((await call('POST', '/api/v1/rollouts/split-2/resume')).body).toMatchObject({ waitsFor: 'a person, to promote it' });
    expect((await call('POST', '/api/v1/rollouts/split-2/promote')).body).toMatchObject({ status: 'promoted', share: 1 });
    const byPerson = (await explain('split-2')).decisions.at(-1);
    expect(byPerson).toMatchObject({ data: { by: 'person', evidence: { gates: [{ verdict: 'passed' }] } } });
    expect(await infer('split')).toMatchObject({ version: '2' });
  }, 60_000);

  test('a bandit follows the rewards, each split with its seed', async () => {
    await deploy('learning', 'candidate: models:/delay/2, strategy: bandit, reward: {label: paid, every: 60}');
    await candidateLoaded('learning', ruleOf('learning-2', 0.5));
    for (let index = 0; index < 20; index++) await infer('learning', `v${index}`);
    const rewardless = await waitFor(async () => {
      const now = await explain('learning-2');
      return now.waitsFor?.includes('rewards') === true && now.decisions.length > 1 && now;
    });
    const waited = '60 more rewards, which are labels paid of Deployment learning; 0 have come';
    expect([rewardless.waitsFor, rewardless.reason]).toEqual([waited, `waits for ${waited}`]);
    // Rewards that are none are told of: nobody would know why nothing follows from them.
    await call('POST', '/api/v1/deployments/learning/labels', [
      { predictionId: (await infer('learning', 'v')).id, name: 'paid', value: 100 },
    ]);
    const { waitsFor } = await waitFor(async () => {
      const now = await explain('learning-2');
      return now.waitsFor?.startsWith('labels') === true && now;
    });
    expect(waitsFor).toBe('labels paid that are false, true or a number from 0 to 1; 1 came that are not, and do not count');
    const labels: object[] = [];
    for (let index = 0; index < 160; index++) {
      const { id, variant } = await infer('learning', `u${index}`);
      labels.push({ predictionId: id, name: 'paid', value: variant === 'candidate' });
    }
    await call('POST', '/api/v1/deployments/learning/labels', labels);
    const shown = await waitFor(async () => {
      const now = await explain('learning-2');
      return now.share > 0.9 && now;
    });
    expect(shown.decisions.at(-1)).toMatchObject({ type: 'RolloutReweighted', data: { share: 0.95, rewards: { primary: { sum: 0 } } } });
  }, 60_000);

  test('a pause holds, a second rollout waits, and a deleted one is withdrawn', async () => {
    await deploy('held', 'candidate: models:/delay/2, strategy: canary, steps: [{share: 10%, pause: 1ms}]');
    // No gate, and its pause is over: once the candidate has answered anybody it goes on by itself. Its next version is held by a person.
    const isOver = waitFor(async () => {
      await infer('held', randomUUID());
      return (await explain('held-2')).status === 'promoted';
    });
    await isOver;
    await deploy('held', 'candidate: models:/delay/2, strategy: canary, steps: [{share: 10%, samples: 1000000}]');
    await waitFor(async () => (await explain('held-2')).run === 2);
    expect((await explain('held-2')).arms?.primary.version).toBe(1);
    expect((await call('POST', '/api/v1/rollouts/held-2/pause', { reason: 'wait' })).body).toMatchObject({
      status: 'paused',
      reason: 'wait',
    });
    await apply(`
apiVersion: millrace.dev/v1
kind: Rollout
metadata: {name: held-3}
spec: {deployment: held, candidate: models:/delay/3, strategy: shadow}
`);
    expect(await explain('held-3')).toMatchObject({
      ...{ status: 'waiting', run: 0, version: 1 },
      waitsFor: 'Rollout held-2, which is under way on Deployment held',
    });
    expect(await call('POST', '/api/v1/rollouts/held-3/promote')).toMatchObject({
      status: 409,
      body: {
        code: 'MR_INFERENCE_ROLLOUT_NOT_BEGUN',
        detail:
          'rollout held-3 has not begun; it waits for Rollout held-2, which is under way on Deployment held. If it shall not begin, delete its resource',
      },
    });
    expect((await call('POST', '/api/v1/rollouts/held-2/resume')).body).toMatchObject({ status: 'running' });
    await fetch(`${service.url}/api/v1/resources/Rollout/held-2`, { method: 'DELETE' });
    await waitFor(async () => (await explain('held-2')).status === 'withdrawn');
    await waitFor(async () => (await explain('held-3')).status === 'running');
    expect(await call('GET', '/api/v1/rollouts/nobody')).toMatchObject({ status: 404 });
    const { rollouts } = (await call('GET', '/api/v1/rollouts?limit=2')).body as { rollouts: { name: string }[] };
    expect(rollouts.map(({ name }) => name)).toEqual(['broken-2', 'held-2']);
  }, 60_000);

  test('a restart takes up what was decided, before it answers', async () => {
    await service.close();
    service = await start();
    await waitFor(async () => (await fetch(`${service.url}/readyz`)).ok);
    expect(await explain('split-2')).toMatchObject({ status: 'promoted' });
    expect(await infer('split')).toMatchObject({ status: 200, version: '2' });
    expect(await explain('learning-2')).toMatchObject({ status: 'running', share: 0.95 });
  }, 60_000);
});
