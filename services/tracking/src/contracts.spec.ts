import { checkEvent, type tracking } from '@millrace/contracts';
import { type Same, aggregatesWithHistory, eventTypes, goldenSamples, historyOf } from '@millrace/contracts/testing';
import { canonical, type AnyDecider } from '@millrace/kernel';
import { foldHistory } from '@millrace/kernel/testing';
import { describe, expect, test } from '@jest/globals';
import type * as datasetRecords from './domain/evaluation-dataset/dataset-records.js';
import { EVALUATION_DATASET, evaluationDataset } from './domain/evaluation-dataset/evaluation-dataset.decider.js';
import type * as evaluationDatasetEvents from './domain/evaluation-dataset/evaluation-dataset.events.js';
import { experiments, EXPERIMENTS, type Experiments } from './domain/experiments/experiments.decider.js';
import type * as experimentEvents from './domain/experiments/experiments.events.js';
import { fromWire, toWire, type MetricPointsLogged } from './domain/metric-points/metric-points.js';
import { GATEWAY, gateway } from './domain/gateway/gateway.decider.js';
import type * as gatewayEvents from './domain/gateway/gateway.events.js';
import { ISSUE, issue } from './domain/issue/issue.decider.js';
import type * as issueEvents from './domain/issue/issue.events.js';
import { LOGGED_MODEL, loggedModel, type LoggedModelState } from './domain/logged-model/logged-model.decider.js';
import type * as loggedModelEvents from './domain/logged-model/logged-model.events.js';
import type { ModelMetricsLogged } from './domain/logged-model/model-metrics.js';
import { run, type RunState } from './domain/run/run.decider.js';
import type * as runEvents from './domain/run/run.events.js';
import { SCORERS, scorers } from './domain/scorers/scorers.decider.js';
import type * as scorersEvents from './domain/scorers/scorers.events.js';
import type * as traceFacts from './domain/trace/trace-facts.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<tracking.ExperimentCreated, experimentEvents.ExperimentCreated>,
  true satisfies Same<tracking.ExperimentRenamed, experimentEvents.ExperimentRenamed>,
  true satisfies Same<tracking.ExperimentDeleted, experimentEvents.ExperimentDeleted>,
  true satisfies Same<tracking.ExperimentRestored, experimentEvents.ExperimentRestored>,
  true satisfies Same<tracking.ExperimentTagged, experimentEvents.ExperimentTagged>,
  true satisfies Same<tracking.ExperimentUntagged, experimentEvents.ExperimentUntagged>,
  true satisfies Same<tracking.ExperimentPurged, experimentEvents.ExperimentPurged>,
  true satisfies Same<tracking.RunCreated, runEvents.RunCreated>,
  true satisfies Same<tracking.RunUpdated, runEvents.RunUpdated>,
  true satisfies Same<tracking.RunFinished, runEvents.RunFinished>,
  true satisfies Same<tracking.RunAnnotated, runEvents.RunAnnotated>,
  true satisfies Same<tracking.RunUntagged, runEvents.RunUntagged>,
  true satisfies Same<tracking.DatasetsLogged, runEvents.DatasetsLogged>,
  true satisfies Same<tracking.MetricPointsLogged, MetricPointsLogged>,
  true satisfies Same<tracking.TraceLogged, traceFacts.TraceLogged>,
  true satisfies Same<tracking.SpansLogged, traceFacts.SpansLogged>,
  true satisfies Same<tracking.TraceTagged, traceFacts.TraceTagged>,
  true satisfies Same<tracking.TraceAssessed, traceFacts.TraceAssessed>,
  true satisfies Same<tracking.TraceLinked, traceFacts.TraceLinked>,
  true satisfies Same<tracking.TraceDeleted, traceFacts.TraceDeleted>,
  true satisfies Same<tracking.ModelsLinked, runEvents.ModelsLinked>,
  true satisfies Same<tracking.LoggedModelCreated, loggedModelEvents.LoggedModelCreated>,
  true satisfies Same<tracking.LoggedModelFinalized, loggedModelEvents.LoggedModelFinalized>,
  true satisfies Same<tracking.LoggedModelTagged, loggedModelEvents.LoggedModelTagged>,
  true satisfies Same<tracking.LoggedModelUntagged, loggedModelEvents.LoggedModelUntagged>,
  true satisfies Same<tracking.LoggedModelParamsLogged, loggedModelEvents.LoggedModelParamsLogged>,
  true satisfies Same<tracking.ModelMetricsLogged, ModelMetricsLogged>,
  true satisfies Same<tracking.EvaluationDatasetCreated, evaluationDatasetEvents.EvaluationDatasetCreated>,
  true satisfies Same<tracking.EvaluationDatasetTagged, evaluationDatasetEvents.EvaluationDatasetTagged>,
  true satisfies Same<tracking.EvaluationDatasetUntagged, evaluationDatasetEvents.EvaluationDatasetUntagged>,
  true satisfies Same<tracking.EvaluationDatasetLinked, evaluationDatasetEvents.EvaluationDatasetLinked>,
  true satisfies Same<tracking.EvaluationDatasetUnlinked, evaluationDatasetEvents.EvaluationDatasetUnlinked>,
  true satisfies Same<tracking.DatasetRecordsMerged, datasetRecords.DatasetRecordsMerged>,
  true satisfies Same<tracking.DatasetRecordsDeleted, datasetRecords.DatasetRecordsDeleted>,
  true satisfies Same<tracking.ScorerRegistered, scorersEvents.ScorerRegistered>,
  true satisfies Same<tracking.ScorerDeleted, scorersEvents.ScorerDeleted>,
  true satisfies Same<tracking.IssueCreated, issueEvents.IssueCreated>,
  true satisfies Same<tracking.IssueUpdated, issueEvents.IssueUpdated>,
  true satisfies Same<tracking.OnlineScoringConfigured, scorersEvents.OnlineScoringConfigured>,
  true satisfies Same<tracking.GatewaySecretCreated, gatewayEvents.GatewaySecretCreated>,
  true satisfies Same<tracking.GatewaySecretUpdated, gatewayEvents.GatewaySecretUpdated>,
  true satisfies Same<tracking.GatewayModelDefinitionCreated, gatewayEvents.GatewayModelDefinitionCreated>,
  true satisfies Same<tracking.GatewayModelDefinitionUpdated, gatewayEvents.GatewayModelDefinitionUpdated>,
  true satisfies Same<tracking.GatewayEndpointCreated, gatewayEvents.GatewayEndpointCreated>,
  true satisfies Same<tracking.GatewayEndpointUpdated, gatewayEvents.GatewayEndpointUpdated>,
  true satisfies Same<tracking.GatewayModelAttached, gatewayEvents.GatewayModelAttached>,
  true satisfies Same<tracking.GatewayModelDetached, gatewayEvents.GatewayModelDetached>,
  true satisfies Same<tracking.GatewayEndpointBound, gatewayEvents.GatewayEndpointBound>,
  true satisfies Same<tracking.GatewayEndpointUnbound, gatewayEvents.GatewayEndpointUnbound>,
  true satisfies Same<tracking.GatewayEndpointTagged, gatewayEvents.GatewayEndpointTagged>,
  true satisfies Same<tracking.GatewayEndpointUntagged, gatewayEvents.GatewayEndpointUntagged>,
];

/** Events nobody decides. */
const FACTS = [
  'ArtifactUploaded',
  'MetricPointsLogged',
  'ModelMetricsLogged',
  'TraceLogged',
  'SpansLogged',
  'TraceTagged',
  'TraceAssessed',
  'TraceLinked',
  'TraceDeleted',
  'DatasetRecordsMerged',
  'DatasetRecordsDeleted',
];

interface SmallAggregate {
  readonly decider: AnyDecider;
  readonly subject: string;
  /** The event that begins it. */
  readonly created: string;
}

function ofAggregate(types: readonly string[], aggregate: SmallAggregate): [string, SmallAggregate][] {
  return types.map((type) => [type, aggregate]);
}

const SMALL_AGGREGATES: Readonly<Record<string, SmallAggregate>> = Object.fromEntries([
  ...ofAggregate(
    ['Created', 'Tagged', 'Untagged', 'Linked', 'Unlinked', 'Deleted'].map((what) => `EvaluationDataset${what}`),
    { decider: evaluationDataset, subject: `${EVALUATION_DATASET}/d`, created: 'EvaluationDatasetCreated' },
  ),
  ...ofAggregate(['ScorerRegistered', 'ScorerDeleted', 'OnlineScoringConfigured'], {
    decider: scorers,
    subject: `${SCORERS}/0`,
    created: 'ScorerRegistered',
  }),
  ...ofAggregate(['IssueCreated', 'IssueUpdated'], { decider: issue, subject: `${ISSUE}/i`, created: 'IssueCreated' }),
]);

const samples = goldenSamples('tracking');
const history = (aggregate: string): never[] => historyOf('tracking', aggregate) as never[];

describe('the tracking events and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type.v$version $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('tracking', type, version, data)).toBeUndefined();
    const context = { subject: 'run/r', sequence: 1, time: 1, actor: 'a' };
    if (type === 'MetricPointsLogged') {
      const { points } = data as MetricPointsLogged;
      expect(points.map(fromWire).map(toWire)).toEqual(points);
    } else if (FACTS.includes(type)) {
      // Facts are not folded; that they keep to their schema is all there is to hold.
    } else if (type.startsWith('LoggedModel')) {
      const created = samples.find((sample) => sample.type === 'LoggedModelCreated');
      const at = { ...context, subject: `${LOGGED_MODEL}/m` };
      const base = (): LoggedModelState => loggedModel.evolve(loggedModel.initial(), created as never, at);
      const fold = (): LoggedModelState => loggedModel.evolve(base(), { type, data } as never, { ...at, sequence: 2 });
      expect(canonical(fold())).toBe(canonical(fold()));
    } else if (type.startsWith('Gateway')) {
      const before = samples.filter((sample) => sample.type.startsWith('Gateway') && sample.type.endsWith('Created'));
      const at = { ...context, subject: GATEWAY };
      const base = () => before.reduce((state, event) => gateway.evolve(state, event as never, at), gateway.initial());
      const fold = () => gateway.evolve(base(), { type, data } as never, { ...at, sequence: 2 });
      expect(canonical(fold())).toBe(canonical(fold()));
    } else if (type in SMALL_AGGREGATES) {
      const { decider, subject, created } = SMALL_AGGREGATES[type] as SmallAggregate;
      const at = { ...context, subject };
      const first = samples.find((sample) => sample.type === created);
      const fold = (): unknown => decider.evolve(decider.evolve(decider.initial(), first, at), { type, data }, { ...at, sequence: 2 });
      expect(canonical(fold())).toBe(canonical(fold()));
    } else if (type.startsWith('Experiment')) {
      const fold = (): Experiments =>
        experiments.evolve(experiments.initial(), { type, data } as never, { ...context, subject: EXPERIMENTS });
      expect(canonical(fold())).toBe(canonical(fold()));
    } else {
      const created = samples.find((sample) => sample.type === 'RunCreated');
      const base = (): RunState => run.evolve(run.initial(), created as never, context);
      const fold = (): RunState => run.evolve(base(), { type, data } as never, { ...context, sequence: 2 });
      expect(canonical(fold())).toBe(canonical(fold()));
    }
  });

  test('every event has a sample', () => {
    expect([...new Set(samples.map(({ type }) => type))].sort()).toEqual(eventTypes('tracking'));
  });
});

describe('old histories fold to what they always did', () => {
  test('experiments', () => {
    const { state, digests } = foldHistory(experiments, EXPERIMENTS, history('experiments'));
    expect(state).toEqual({
      byId: new Map([
        [
          '0',
          {
            id: '0',
            name: 'Default',
            artifactLocation: 'mlflow-artifacts:/0',
            deleted: false,
            createdAt: 1,
            updatedAt: 1,
            tags: new Map(),
          },
        ],
        [
          '1',
          {
            id: '1',
            name: 'flights',
            artifactLocation: 's3://models/1',
            deleted: false,
            createdAt: 2,
            updatedAt: 7,
            tags: new Map([
              ['team', ''],
              ['mlflow.note.content', 'first\nline'],
            ]),
          },
        ],
        [
          '3',
          {
            id: '3',
            name: 'flights/délais ✈',
            artifactLocation: 'mlflow-artifacts:/3',
            deleted: false,
            createdAt: 10,
            updatedAt: 12,
            tags: new Map([['__proto__', 'a key like any other']]),
          },
        ],
      ]),
      idOfName: new Map([
        ['Default', '0'],
        ['flights', '1'],
        ['flights/délais ✈', '3'],
      ]),
      nextId: 4,
    });
    expect(digests).toEqual([
      'c78cecec0434',
      'a2b6b5357489',
      'bc34e8e4cc08',
      '93a4428c6349',
      '2c9353a8b894',
      '2b7b66a30d12',
      '1ec0960fafd1',
      'c66a1b940cee',
      '2250fe3de56b',
      '85a8edcb6111',
      '24013c9400da',
      '341ac20ed8f3',
      'a5b86a260e97',
    ]);
  });

  test('run', () => {
    const { state, digests } = foldHistory(run, 'run/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f', history('run'));
    expect(state).toEqual({
      runId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      experimentId: '0',
      name: 'x',
      userId: '',
      status: 'KILLED',
      startTime: 1767225600000,
      endTime: 1767225660000,
      artifactUri: 'mlflow-artifacts:/0/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/artifacts',
      deleted: true,
      purged: true,
      params: new Map(),
      tags: new Map(),
      datasets: [],
    });
    expect(digests).toEqual([
      'b38ae5676146',
      '35d7617b2d04',
      '67c92bf8ddd8',
      '9c352d3ea1cd',
      'a51e2d3cc525',
      'bb12f825c981',
      'c7a42ec0d7ea',
      '82369d2c085b',
      '6735f3e0f821',
      'ab30226697cf',
      '6735f3e0f821',
      '649e906d4f65',
      '270acf4c0388',
      '853503e9bb55',
      '9b0f07bc9d12',
      '3d624283743f',
      '6d6ad6948798',
    ]);
  });

  test('logged model', () => {
    const { state, digests } = foldHistory(loggedModel, 'logged-model/m-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f', history('logged-model'));
    expect(state).toEqual({
      modelId: 'm-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      experimentId: '0',
      name: 'delay',
      modelType: 'Agent',
      sourceRunId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      artifactUri: 'mlflow-artifacts:/0/models/m-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/artifacts',
      status: 'READY',
      createdAt: 1,
      updatedAt: 7,
      creator: 'ann',
      deleted: true,
      params: new Map([
        ['C', '0.1'],
        ['depth', '3'],
      ]),
      tags: new Map([['mlflow.user', 'bob']]),
    });
    expect(digests).toEqual([
      '8bd0f4195210',
      '5d0ccaf7e23c',
      '3871b7268298',
      '3a46fb3dbf2e',
      '87c67b949eee',
      'e6b4578db663',
      '36c4cf98ca1e',
    ]);
  });

  test('evaluation dataset', () => {
    const { state, digests } = foldHistory(
      evaluationDataset,
      'evaluation-dataset/d-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      history('evaluation-dataset'),
    );
    expect(state).toEqual({
      datasetId: 'd-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      name: 'fragen ✈',
      experimentIds: new Set(['7', '8']),
      tags: new Map([['größe', '']]),
      createdAt: 1,
      updatedAt: 6,
      createdBy: 'ann',
      updatedBy: 'ann',
      deleted: true,
    });
    expect(digests).toEqual(['5af84d2d556e', '0b146cb55e15', '5c50927f1630', 'e0c546694ccb', 'f3f819ae7f1a', '75fd1e3bf846']);
  });

  test('scorers', () => {
    const { state, digests } = foldHistory(scorers, 'scorers/0', history('scorers'));
    expect(state).toEqual(
      new Map([
        [
          'höflich',
          {
            scorerId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
            versions: new Map([
              [2, { serialized: '{"name": "höflich"}', createdAt: 2 }],
              [3, { serialized: '{"name": "höflich"}', createdAt: 4 }],
            ]),
            lastVersion: 3,
            online: { configId: '0123456789abcdef0123456789abcdef', sampleRate: 0, filterString: null },
          },
        ],
      ]),
    );
    expect(digests).toEqual([
      'fd8e9047bbab',
      'ea33cd944806',
      '3a4d679eb47e',
      'e72603225083',
      '963a75e898f4',
      'e72603225083',
      'c54ba73ebdc9',
      '0eb67dff2e75',
    ]);
  });

  test('issue', () => {
    const { state, digests } = foldHistory(issue, 'issue/iss-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f', history('issue'));
    expect(state).toEqual({
      issueId: 'iss-4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      experimentId: '0',
      name: 'slower',
      description: 'two minutes',
      status: 'resolved',
      severity: 'low',
      rootCauses: ['the index is gone'],
      categories: ['latency'],
      sourceRunId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
      createdBy: 'ann',
      createdAt: 1,
      updatedAt: 3,
    });
    expect(digests).toEqual(['8f92c1d4ab5d', '09e6cbf4e4b7', '7f00c20b62d9']);
  });

  // That of the gateway is folded in domain/gateway/gateway-history.spec.ts.
  test('every decision is in one of them, and every one of them is folded', () => {
    const folded = ['evaluation-dataset', 'experiments', 'gateway', 'issue', 'logged-model', 'run', 'scorers'];
    expect(aggregatesWithHistory('tracking')).toEqual(folded);
    const decisions = samples.map(({ type }) => type).filter((type) => !FACTS.includes(type));
    const told = folded.flatMap((aggregate) => history(aggregate)).map(({ type }: { type: string }) => type);
    expect([...new Set(told)].sort()).toEqual([...new Set(decisions)].sort());
  });
});
