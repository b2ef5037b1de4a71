import { describe, expect, test } from '@jest/globals';
import {
  EVALUATION_DATASET,
  evaluationDataset,
  type EvaluationDatasetCommand,
  type EvaluationDatasetState,
} from './evaluation-dataset.decider.js';
import type { EvaluationDatasetEvent } from './evaluation-dataset.events.js';

const datasetId = `d-${'a'.repeat(32)}`;
const context = { subject: `${EVALUATION_DATASET}/${datasetId}`, commandId: 'c', time: 9, actor: 'ann' };
const created: EvaluationDatasetEvent = {
  type: 'EvaluationDatasetCreated',
  data: { datasetId, name: 'cases', experimentIds: ['1'], tags: { team: 'a' } },
};

function given(...events: EvaluationDatasetEvent[]) {
  const state = events.reduce<EvaluationDatasetState>(
    (folded, event, index) => evaluationDataset.evolve(folded, event, { ...context, sequence: index + 1 }),
    evaluationDataset.initial(),
  );
  return { state, when: (command: EvaluationDatasetCommand) => evaluationDataset.decide(command, state, context) };
}

const refused = (code: string) => ({ kind: 'reject', rejection: { code } });
const create: EvaluationDatasetCommand = { type: 'CreateEvaluationDataset', datasetId, name: 'cases', experimentIds: ['1'], tags: {} };

describe('an evaluation dataset', () => {
  test('is created once', () => {
    expect(given().when(create)).toMatchObject({ kind: 'accept', event: { type: 'EvaluationDatasetCreated', data: { name: 'cases' } } });
    expect(given(created).when(create)).toMatchObject(refused('MR_TRACKING_EVALUATION_DATASET_EXISTS'));
  });

  test('belongs to experiments; to the same again changes nothing', () => {
    const { when } = given(created);
    expect(when({ type: 'LinkEvaluationDataset', experimentIds: ['1', '2', '2'] })).toMatchObject({
      event: { data: { experimentIds: ['2'] } },
    });
    expect(when({ type: 'LinkEvaluationDataset', experimentIds: ['1'] })).toEqual({ kind: 'unchanged' });
    expect(when({ type: 'UnlinkEvaluationDataset', experimentIds: ['1', '3'] })).toMatchObject({
      event: { data: { experimentIds: ['1'] } },
    });
    expect(when({ type: 'UnlinkEvaluationDataset', experimentIds: ['3'] })).toEqual({ kind: 'unchanged' });
    const both: EvaluationDatasetEvent[] = [
      { type: 'EvaluationDatasetLinked', data: { experimentIds: ['2'] } },
      { type: 'EvaluationDatasetUnlinked', data: { experimentIds: ['1'] } },
    ];
    expect([...(given(created, ...both).state?.experimentIds ?? [])]).toEqual(['2']);
  });

  test('is tagged and untagged', () => {
    const { when } = given(created);
    expect(when({ type: 'TagEvaluationDataset', tags: { team: 'a' } })).toEqual({ kind: 'unchanged' });
    expect(when({ type: 'TagEvaluationDataset', tags: { team: 'a', x: '1' } })).toMatchObject({ event: { data: { tags: { x: '1' } } } });
    expect(when({ type: 'UntagEvaluationDataset', key: 'team' })).toMatchObject({ kind: 'accept' });
    expect(when({ type: 'UntagEvaluationDataset', key: 'none' })).toEqual({ kind: 'unchanged' });
  });

  test('has bounds', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => String(index + 10));
    const full = refused('MR_TRACKING_EVALUATION_DATASET_FULL');
    expect(given(created).when({ type: 'LinkEvaluationDataset', experimentIds: many(1000) })).toMatchObject(full);
    const tags = Object.fromEntries(many(1001).map((key) => [key, '']));
    expect(given(created).when({ type: 'TagEvaluationDataset', tags })).toMatchObject(full);
    expect(given().when({ ...create, experimentIds: many(1001) })).toMatchObject(full);
  });

  test('is nothing before it is created and after it is deleted', () => {
    const gone = given(created, { type: 'EvaluationDatasetDeleted', data: {} });
    const command: EvaluationDatasetCommand = { type: 'DeleteEvaluationDataset' };
    expect(given(created).when(command)).toMatchObject({ kind: 'accept' });
    for (const { when } of [given(), gone]) expect(when(command)).toMatchObject(refused('MR_TRACKING_EVALUATION_DATASET_NOT_FOUND'));
  });
});
