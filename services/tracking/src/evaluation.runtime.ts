import { TOPICS } from '@millrace/contracts';
import { migrate } from '@millrace/offline-store';
import { commandMetadata, sendPosition, type DomainLog } from '@millrace/service';
import type { EvaluationApi } from './api/mlflow/evaluation/context.js';
import {
  EVALUATION_DATASET,
  evaluationDataset,
  type EvaluationDatasetState,
} from './domain/evaluation-dataset/evaluation-dataset.decider.js';
import { ISSUE, issue, type IssueState } from './domain/issue/issue.decider.js';
import { SCORERS, scorers, type Scorers } from './domain/scorers/scorers.decider.js';
import { DATASET_RECORDS_TABLE, datasetRecordRows, decodeDatasetRecordFact } from './projections/dataset-records.projection.js';
import { AggregateView } from './queries/aggregate-view.js';
import { datasetRecords, recordsSummaries, recordsThere } from './queries/dataset-records.query.js';
import { datasetSchema } from './queries/dataset-schema.query.js';
import type { TrackingHost } from './tracking.runtime.js';

const RECORDS = TOPICS.datasetRecords.name;

/** What evaluation adds to the domain. */
export const EVALUATION_AGGREGATES = { [EVALUATION_DATASET]: evaluationDataset, [SCORERS]: scorers, [ISSUE]: issue };

/** Views of the aggregates. Made right after the domain was opened, so that no decision passes unheard. */
export function viewEvaluation(domain: DomainLog): EvaluationApi['views'] {
  return {
    datasets: new AggregateView<EvaluationDatasetState>(domain, EVALUATION_DATASET),
    scorers: new AggregateView<Scorers>(domain, SCORERS),
    issues: new AggregateView<IssueState>(domain, ISSUE),
  };
}

/** What the endpoints of evaluation are made of, and the projection of the datasets' records. */
export async function openEvaluation(
  host: TrackingHost,
  domain: DomainLog,
  views: EvaluationApi['views'],
  experiment: EvaluationApi['experiment'],
): Promise<EvaluationApi> {
  const { topics, facts, tables, offline, clock, ids, config, reset } = host;
  await topics.ensure(TOPICS.datasetRecords);
  await migrate(offline, { name: 'tracking-datasets', directory: new URL('./migrations/datasets/', import.meta.url) });
  const table = await tables.add({
    ...{ name: 'tracking.dataset-records', topic: RECORDS, table: DATASET_RECORDS_TABLE, shared: true },
    ...{ decode: decodeDatasetRecordFact, toRows: datasetRecordRows },
  });
  for (const [name, view] of Object.entries(views)) reset.add('state', `tracking.evaluation-${name}`, () => view.clear());
  const caughtUp = () => table.barrier(config.queryDeadlineMs);
  return {
    views,
    experiment,
    handle: (subject, command, metadata) => domain.handle(subject, command, metadata),
    tell: async (told, id, traceparent) => {
      const { datasetId } = told.data;
      const fact = {
        key: datasetId,
        type: told.type,
        domain: 'tracking',
        subject: `${EVALUATION_DATASET}/${datasetId}`,
        id,
        data: told.data,
      };
      return facts.append(RECORDS, [fact], traceparent);
    },
    records: async (page) => {
      await caughtUp();
      return datasetRecords(offline, page);
    },
    recordsThere: async (datasetId, recordIds) => {
      await caughtUp();
      return recordsThere(offline, datasetId, recordIds);
    },
    summaries: async (datasetIds) => {
      await caughtUp();
      return recordsSummaries(offline, datasetIds);
    },
    schema: async (datasetId) => {
      await caughtUp();
      return datasetSchema(offline, datasetId);
    },
    newId: ({ commandId }, purpose) => ids.derived(commandId, purpose),
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
  };
}
