import { describe, expect, test } from '@jest/globals';
import type { PolicySpec } from '@millrace/resources';
import { governedModel, type GovernedEvent } from '../domain/governance/governed-model.decider.js';
import type { GovernedModel } from '../domain/governance/governance.state.js';
import type { RegistryView, VersionView } from '../queries/registry-view.js';
import { CheckEvaluator, type CheckSources } from './check-evaluator.js';
import type { Policies } from './policies.js';
import type { RunFacts } from './run-artifacts.js';

const SPEC: PolicySpec = {
  stages: ['Production'],
  aliases: ['champion*'],
  checks: [
    { name: 'brier', type: 'metric', metric: 'brier', better: 'lower' },
    { name: 'card', type: 'modelCard' },
  ],
};
const METRICS = new Map([
  ['poor', 0.3],
  ['good', 0.1],
]);

/** Version 1 of run `poor`, and version 2 of files that run `poor` made, registered with the run that it names. */
function model(runId: string, ...more: GovernedEvent[]): GovernedModel {
  const registered = { name: 'delay', source: 's', digest: null, runLink: null, description: null, tags: {} };
  const events: GovernedEvent[] = [
    { type: 'VersionRegistered', data: { ...registered, version: 1, runId: 'poor', artifactPath: '1/poor/artifacts/model' } },
    { type: 'VersionRegistered', data: { ...registered, version: 2, runId, artifactPath: `1/${runId}/artifacts/model` } },
    { type: 'VersionRegistered', data: { ...registered, version: 3, runId, artifactPath: '1/poor/artifacts/model' } },
    ...more,
  ];
  return events.reduce(
    (state, event, index) => governedModel.evolve(state, event, { subject: 'model/m', sequence: index + 1, time: index, actor: 'ann' }),
    governedModel.initial(),
  );
}

function evaluator(state: GovernedModel): CheckEvaluator {
  const view = {
    governed: () => state,
    version: (_: string, number: number) => {
      const version = state.versions.get(number);
      return version && ({ registered: { modelId: 'm', name: 'delay' }, version, aliases: [] } as unknown as VersionView);
    },
  } as unknown as RegistryView;
  const policies = { evaluated: () => (SPEC.checks ?? []).map((check) => ({ policy: 'champions', spec: SPEC, check })) };
  const sources: Partial<CheckSources> = {
    run: (runId) =>
      Promise.resolve({
        artifactUri: `mlflow-artifacts:/1/${runId}/artifacts`,
        experimentId: '1',
        name: runId,
        datasets: [{ name: 'may', digest: 'd', context: null }],
      } as unknown as RunFacts),
    loggedModel: () => Promise.resolve(undefined),
    metric: () => Promise.resolve(METRICS),
    card: () => Promise.resolve({ gaps: [] } as never),
  };
  return new CheckEvaluator(policies as unknown as Policies, view, sources as CheckSources);
}

describe('what the registry checks itself', () => {
  const champion: GovernedEvent = { type: 'AliasAssigned', data: { alias: 'champion', version: 1, previous: null } };

  test('a version whose files another run made does not pass by what the run it names has measured', async () => {
    const foreign = 'version 3 names run good, and its files were made by run poor: register them again with that one';
    expect(await evaluator(model('good', champion)).evaluate('delay', 3, { kind: 'alias', name: 'champion' })).toMatchObject([
      { check: 'brier', passed: false, detail: foreign, against: 1 },
      { check: 'card', passed: false, detail: foreign },
    ]);
    expect(await evaluator(model('good', champion)).evaluate('delay', 2, { kind: 'alias', name: 'champion' })).toMatchObject([
      { check: 'brier', passed: true, detail: 'brier 0.1 against 0.3 of version 1; lower is better', against: 1 },
      { check: 'card', passed: true },
    ]);
  });

  test('without a target the comparison is with what is there, where the version is asked for or anything is', async () => {
    expect(await evaluator(model('good', champion)).evaluate('delay', 2, undefined)).toMatchObject([{ passed: true, against: 1 }, {}]);
    const production: GovernedEvent = { type: 'VersionMoved', data: { version: 1, from: 'None', to: 'Production', archived: [] } };
    const asked: GovernedEvent = {
      type: 'PromotionRequested',
      data: {
        ...{ request: 1, version: 2, archiveOthers: false, reason: '', policies: [], expiresAt: 99 },
        target: { kind: 'alias', name: 'champion-eu' },
      },
    };
    expect(await evaluator(model('good', production, asked)).evaluate('delay', 2, undefined)).toMatchObject([{ against: null }, {}]);
  });
});
