import {
  checkLength,
  cursorOf,
  cursorToken,
  invalid,
  MlflowError,
  pageAfter,
  pythonJson,
  type Fields,
  type MlflowCall,
  type MlflowRoute,
} from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import {
  EVALUATION_DATASET,
  type EvaluationDataset,
  type EvaluationDatasetCommand,
} from '../../../domain/evaluation-dataset/evaluation-dataset.decider.js';
import { maxResultsOf } from '../fields.js';
import { foundPage } from '../key-page-token.js';
import { give } from './command.js';
import type { EvaluationApi } from './context.js';
import { datasetOrder, datasetTest } from './dataset-search.js';
import { datasetJson, recordJson, shownDataset, type ShownDataset } from './dataset-wire.js';
import { inParts, tagsOf, toldRecordsOf } from './told-records.js';

const LIMITS = { name: 255, perPage: 1000, recordIds: 10_000 } as const;

/** Evaluation datasets, as MLflow 3 keeps the cases that models and agents are judged by. */
export function datasetRoutes(api: EvaluationApi): MlflowRoute[] {
  const { datasets } = api.views;
  const existing = async (request: FastifyRequest): Promise<EvaluationDataset> => {
    const { datasetId } = request.params as { datasetId: string };
    await datasets.upToDate();
    // What no id can be is no dataset; it must not become a subject.
    const dataset = /^d-[0-9a-f]{32}$/.test(datasetId) ? datasets.one(datasetId) : null;
    if (!dataset || dataset.deleted) {
      throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Evaluation dataset with id '${datasetId.slice(0, 100)}' not found.`);
    }
    return dataset;
  };
  /** One dataset whole; a search does without the schema, for which all that was told of the records is read. */
  const shown = async (dataset: EvaluationDataset): Promise<ShownDataset> => {
    const { datasetId } = dataset;
    const [summaries, schema] = await Promise.all([api.summaries([datasetId]), api.schema(datasetId)]);
    return { ...shownDataset(dataset, summaries.get(datasetId)), ...(schema === undefined ? {} : { schema }) };
  };
  /** An endpoint that gives one command about one dataset. */
  const change = (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    parse: (call: MlflowCall) => EvaluationDatasetCommand | Promise<EvaluationDatasetCommand>,
    isShown = true,
  ): MlflowRoute => ({
    ...{ method, path: `datasets/:datasetId${path}`, api: '3.0' },
    handle: async (call) => {
      const command = await parse(call);
      const { datasetId } = await existing(call.request);
      const metadata = api.metadata(call.request);
      await give(api, { subject: `${EVALUATION_DATASET}/${datasetId}`, command, metadata, reply: call.reply });
      return isShown ? { dataset: datasetJson(await shown(await existing(call.request))) } : undefined;
    },
  });
  const search = async ({ fields }: MlflowCall) => {
    const [matches, order] = [datasetTest(fields.string('filter_string') ?? ''), datasetOrder(fields.strings('order_by'))];
    const limit = maxResultsOf(fields, LIMITS.perPage, LIMITS.perPage);
    const cursor = cursorOf(fields.string('page_token'));
    const experimentIds = fields.strings('experiment_ids');
    await datasets.upToDate();
    const there = [...datasets.all()].filter((one) => one !== null).filter(({ deleted }) => !deleted);
    const wanted = experimentIds.length === 0 ? there : there.filter((one) => experimentIds.some((id) => one.experimentIds.has(id)));
    const summaries = await api.summaries(wanted.map(({ datasetId }) => datasetId));
    const found = wanted
      .map((one) => shownDataset(one, summaries.get(one.datasetId)))
      .filter(matches)
      .sort(order);
    const page = pageAfter(found, cursor, limit, ({ dataset }) => dataset.datasetId);
    return { datasets: page.items.map(datasetJson), ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}) };
  };
  return [
    {
      ...{ method: 'POST', path: 'datasets/create', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const [name, experimentIds, tags] = [fields.requiredString('name'), [...new Set(fields.strings('experiment_ids'))], tagsOf(fields)];
        checkLength('Dataset name', LIMITS.name, name);
        for (const id of experimentIds) await api.experiment(id);
        const metadata = api.metadata(request);
        const datasetId = `d-${api.newId(metadata, EVALUATION_DATASET)}`;
        const command: EvaluationDatasetCommand = { type: 'CreateEvaluationDataset', datasetId, name, experimentIds, tags };
        await give(api, { subject: `${EVALUATION_DATASET}/${datasetId}`, command, metadata, reply });
        const dataset = datasets.one(datasetId);
        if (!dataset) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Evaluation dataset with id '${datasetId}' not found.`);
        return { dataset: datasetJson(shownDataset(dataset, undefined)) };
      },
    },
    { method: 'GET', path: 'datasets/search', api: '3.0', handle: search },
    { method: 'POST', path: 'datasets/search', api: '3.0', handle: search },
    {
      ...{ method: 'GET', path: 'datasets/:datasetId', api: '3.0' },
      handle: async ({ request }) => ({ dataset: datasetJson(await shown(await existing(request))) }),
    },
    change('DELETE', '', () => ({ type: 'DeleteEvaluationDataset' }), false),
    change('PATCH', '/tags', ({ fields }) => {
      if (!fields.has('tags')) throw fields.missing('tags');
      return { type: 'TagEvaluationDataset', tags: tagsOf(fields) };
    }),
    change(
      'DELETE',
      '/tags/:key',
      ({ request }) => ({ type: 'UntagEvaluationDataset', key: (request.params as { key: string }).key }),
      false,
    ),
    change('POST', '/add-experiments', async ({ fields }) => {
      const experimentIds = experimentIdsOf(fields);
      for (const id of experimentIds) await api.experiment(id);
      return { type: 'LinkEvaluationDataset', experimentIds };
    }),
    change('POST', '/remove-experiments', ({ fields }) => ({ type: 'UnlinkEvaluationDataset', experimentIds: experimentIdsOf(fields) })),
    {
      ...{ method: 'GET', path: 'datasets/:datasetId/experiment-ids', api: '3.0' },
      handle: async ({ request }) => ({ experiment_ids: [...(await existing(request)).experimentIds] }),
    },
    ...recordRoutes(api, existing),
  ];
}

function recordRoutes(api: EvaluationApi, existing: (request: FastifyRequest) => Promise<EvaluationDataset>): MlflowRoute[] {
  const path = 'datasets/:datasetId/records';
  return [
    {
      ...{ method: 'POST', path, api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { datasetId } = await existing(request);
        const records = toldRecordsOf(fields, datasetId);
        const metadata = api.metadata(request);
        const told = new Set(records.map(({ recordId }) => recordId));
        const there = await api.recordsThere(datasetId, [...told]);
        for (const [index, part] of inParts(records).entries()) {
          const data = { datasetId, at: metadata.now, by: fields.string('updated_by') || metadata.actor, records: part };
          const id = api.newId(metadata, `records/${index}`);
          api.sendPosition(reply, await api.tell({ type: 'DatasetRecordsMerged', data }, id, metadata.traceparent));
        }
        const inserted = [...told].filter((id) => !there.has(id)).length;
        return { inserted_count: inserted, updated_count: records.length - inserted };
      },
    },
    {
      ...{ method: 'GET', path, api: '3.0' },
      handle: async ({ fields, request }) => {
        const [limit, { after, offset }] = [maxResultsOf(fields, LIMITS.perPage, LIMITS.perPage), cursorOf(fields.string('page_token'))];
        if (offset > 0 && after === undefined) throw invalid('Invalid page token: send the one of the page before.');
        const { datasetId } = await existing(request);
        const records = await api.records({ datasetId, limit, after });
        const { page, next } = foundPage(records, limit, ({ recordId }) => cursorToken(recordId, offset + limit));
        return { records: pythonJson(page.map(recordJson)), ...next };
      },
    },
    {
      ...{ method: 'DELETE', path, api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { datasetId } = await existing(request);
        const ids = [...new Set(fields.strings('dataset_record_ids'))];
        if (ids.length > LIMITS.recordIds) throw invalid(`At most ${LIMITS.recordIds} records are deleted at once, got ${ids.length}.`);
        const metadata = api.metadata(request);
        const there = await api.recordsThere(datasetId, ids);
        if (there.size === 0) return { deleted_count: 0 };
        const data = { datasetId, at: metadata.now, by: metadata.actor, recordIds: [...there] };
        const id = api.newId(metadata, 'records');
        api.sendPosition(reply, await api.tell({ type: 'DatasetRecordsDeleted', data }, id, metadata.traceparent));
        return { deleted_count: there.size };
      },
    },
  ];
}

function experimentIdsOf(fields: Fields): readonly string[] {
  const ids = [...new Set(fields.strings('experiment_ids'))];
  if (ids.length === 0) throw fields.missing('experiment_ids');
  return ids;
}
