import type { CommandMetadata } from '@millrace/kernel';
import { checkLength, cutTo, invalid, MlflowError, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import { LINKED_PROMPTS, type Trace } from '../../../domain/trace/trace.js';
import { TRACE_STATES, type TraceFact, type TraceLogged, type TraceState } from '../../../domain/trace/trace-facts.js';
import { isTraceCursor, type FoundTrace } from '../../../queries/traces.query.js';
import { maxResultsOf } from '../fields.js';
import { keyCursorOf, keyPage } from '../key-page-token.js';
import { newAssessment, assessmentText } from './assessment-wire.js';
import type { TracesApi } from './context.js';
import { traceCriteriaOf, traceOrdersOf } from './trace-search.js';
import { traceInfoJson, traceInfoV2Json, traceJson } from './trace-wire.js';

const LIMITS = {
  key: 250,
  value: 8000,
  preview: 10_000,
  idsPerRequest: 1000,
  perPage: 500,
  byDefault: 100,
  deletedAtOnce: 10_000,
} as const;
/** The tag that says where a client keeps the files of a trace. */
export const ARTIFACT_LOCATION = 'mlflow.artifactLocation';

/** Traces as MLflow's tracing keeps them: both forms of its API, since clients of MLflow 3 still use parts of the older one. */
export function traceRoutes(api: TracesApi): MlflowRoute[] {
  const existing = async (traceId: string, withSpans = false): Promise<Trace> => {
    const [trace] = await api.traces([traceId], withSpans);
    if (!trace) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Trace with ID '${traceId}' not found.`);
    return trace;
  };
  const find = async (fields: Fields, experimentIds: readonly string[]) => {
    const limit = maxResultsOf(fields, LIMITS.byDefault, LIMITS.perPage);
    const [criteria, orders] = [traceCriteriaOf(fields.string('filter') ?? ''), traceOrdersOf(fields.strings('order_by'))];
    const after = keyCursorOf(fields.string('page_token'), (cursor) => isTraceCursor(orders, cursor));
    const found = await api.search({ experimentIds, criteria, orders, limit, after });
    const { page, next } = keyPage(found, limit, ({ cursor }) => cursor);
    return { traces: await api.traces(idsOf(page), false), ...next };
  };
  const tag = async (request: FastifyRequest, key: string, value: string | null) => {
    checkLength('Trace tag key', LIMITS.key, key);
    const { traceId, experimentId, tags } = await existing(traceIdOf(request));
    if (value === null && !tags.has(key)) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No tag with name: ${key} in trace ${traceId}`);
    await api.append(
      [{ type: 'TraceTagged', data: { traceId, experimentId, key, value: value && cutTo(LIMITS.value, value) } }],
      request.traceparent,
    );
    return undefined;
  };
  /** Routes both forms have. */
  const both = (route: MlflowRoute): MlflowRoute[] => [route, { ...route, api: '3.0' }];
  return [
    {
      method: 'POST',
      path: 'traces',
      api: '3.0',
      handle: async ({ fields, request }) => {
        const info = fields.message('trace')?.message('trace_info');
        if (!info) throw fields.missing('trace.trace_info');
        const told = await traceOf(api, info);
        const assessed = assessedWith(info.messages('assessments'), told, api.metadata(request), api);
        await api.append([{ type: 'TraceLogged', data: told }, ...assessed], request.traceparent);
        return { trace: { trace_info: traceInfoJson(await existing(told.traceId)) } };
      },
    },
    {
      method: 'POST',
      path: 'traces/search',
      api: '3.0',
      handle: async ({ fields }) => {
        const locations = fields
          .messages('locations')
          .map((one) => one.message('mlflow_experiment')?.requiredString('experiment_id') ?? '');
        const { traces, ...rest } = await find(
          fields,
          locations.filter((id) => id !== ''),
        );
        return { traces: traces.map(traceInfoJson), ...rest };
      },
    },
    {
      method: 'GET',
      path: 'traces/get',
      api: '3.0',
      handle: async ({ fields }) => ({ trace: traceJson(await existing(fields.requiredString('trace_id'), true)) }),
    },
    {
      method: 'GET',
      path: 'traces/batchGet',
      api: '3.0',
      handle: async ({ fields }) => ({ traces: (await api.traces(traceIdsOf(fields), true)).map(traceJson) }),
    },
    {
      method: 'POST',
      path: 'traces/batchGetInfos',
      api: '3.0',
      access: 'viewer',
      handle: async ({ fields }) => ({ trace_infos: (await api.traces(traceIdsOf(fields), false)).map(traceInfoJson) }),
    },
    {
      method: 'GET',
      path: 'traces/:traceId',
      api: '3.0',
      handle: async ({ request }) => ({ trace: { trace_info: traceInfoJson(await existing(traceIdOf(request))) } }),
    },
    ...both({
      method: 'PATCH',
      path: 'traces/:traceId/tags',
      handle: ({ fields, request }) => tag(request, fields.requiredString('key'), fields.string('value') ?? ''),
    }),
    ...both({
      method: 'DELETE',
      path: 'traces/:traceId/tags',
      handle: ({ fields, request }) => {
        const key = fields.string('key') ?? (request.query as { key?: string }).key;
        if (!key) throw fields.missing('key');
        return tag(request, key, null);
      },
    }),
    ...both({
      method: 'POST',
      path: 'traces/delete-traces',
      handle: async ({ fields, request }) => {
        const experimentId = fields.requiredString('experiment_id');
        const ids = fields.strings('request_ids').length > 0 ? fields.strings('request_ids') : fields.strings('trace_ids');
        const before = fields.integer('max_timestamp_millis');
        if (ids.length > 0 === (before !== undefined)) {
          throw invalid('Traces are deleted either by request_ids or by max_timestamp_millis: give one of the two.');
        }
        const limit = Math.min(fields.integer('max_traces') ?? LIMITS.deletedAtOnce, LIMITS.deletedAtOnce);
        const old = [{ on: 'attribute', key: 'timestamp_ms', operator: '<=', value: before ?? 0 }] as const;
        const orders = [{ on: 'attribute', key: 'timestamp_ms', ascending: true }] as const;
        const chosen =
          ids.length > 0 ? ids : idsOf(await api.search({ experimentIds: [experimentId], criteria: old, orders, limit })).slice(0, limit);
        const found = (await api.traces(chosen.slice(0, LIMITS.deletedAtOnce), false)).filter(
          (trace) => trace.experimentId === experimentId,
        );
        await api.append(
          found.map(({ traceId }) => ({ type: 'TraceDeleted', data: { traceId, experimentId } })),
          request.traceparent,
        );
        return { traces_deleted: found.length };
      },
    }),
    ...both({
      method: 'POST',
      path: 'traces/link-to-run',
      handle: async ({ fields, request }) => {
        const runId = fields.requiredString('run_id');
        const traces = await api.traces(traceIdsOf(fields), false);
        await api.append(
          traces.map(({ traceId, experimentId }) => ({ type: 'TraceLinked', data: { traceId, experimentId, runId } })),
          request.traceparent,
        );
        return undefined;
      },
    }),
    ...both({
      method: 'POST',
      path: 'traces/link-prompts',
      handle: async ({ fields, request }) => {
        const { traceId, experimentId, tags } = await existing(fields.requiredString('trace_id'));
        const prompts = fields
          .messages('prompt_versions')
          .map((one) => ({ name: one.requiredString('name'), version: one.requiredString('version') }));
        const linked = [...linkedPrompts(tags.get(LINKED_PROMPTS)), ...prompts];
        const value = JSON.stringify([...new Map(linked.map((prompt) => [JSON.stringify(prompt), prompt])).values()]);
        await api.append([{ type: 'TraceTagged', data: { traceId, experimentId, key: LINKED_PROMPTS, value } }], request.traceparent);
        return undefined;
      },
    }),
    ...olderRoutes(api, existing, find),
  ];
}

/** What MLflow 2 clients send: a trace is started, and ended by a second call. */
function olderRoutes(
  api: TracesApi,
  existing: (traceId: string) => Promise<Trace>,
  find: (fields: Fields, experimentIds: readonly string[]) => Promise<{ traces: Trace[]; next_page_token?: string }>,
): MlflowRoute[] {
  return [
    {
      method: 'POST',
      path: 'traces',
      handle: async ({ fields, request }) => {
        const experimentId = fields.requiredString('experiment_id');
        const traceId = `tr-${api.newId(api.metadata(request), 'trace')}`;
        const told: TraceLogged = {
          ...{ traceId, experimentId, requestTime: fields.requiredInteger('timestamp_ms'), executionMs: null, state: 'IN_PROGRESS' },
          ...{ clientRequestId: null, requestPreview: null, responsePreview: null, metadata: pairsOf(fields, 'request_metadata') },
          tags: { ...pairsOf(fields, 'tags'), ...(await artifactTag(api, experimentId, traceId)) },
        };
        await api.append([{ type: 'TraceLogged', data: told }], request.traceparent);
        return { trace_info: traceInfoV2Json(await existing(traceId)) };
      },
    },
    {
      method: 'PATCH',
      path: 'traces/:traceId',
      handle: async ({ fields, request }) => {
        const trace = await existing(traceIdOf(request));
        const { traceId, experimentId, requestTime, clientRequestId, requestPreview, responsePreview } = trace;
        const told: TraceLogged = {
          ...{ traceId, experimentId, requestTime, clientRequestId, requestPreview, responsePreview },
          executionMs: Math.max(0, fields.requiredInteger('timestamp_ms') - requestTime),
          state: stateOf(fields.string('status') ?? 'OK'),
          ...{ metadata: pairsOf(fields, 'request_metadata'), tags: pairsOf(fields, 'tags') },
        };
        await api.append([{ type: 'TraceLogged', data: told }], request.traceparent);
        return { trace_info: traceInfoV2Json(await existing(traceId)) };
      },
    },
    {
      method: 'GET',
      path: 'traces/:traceId/info',
      handle: async ({ request }) => ({ trace_info: traceInfoV2Json(await existing(traceIdOf(request))) }),
    },
    {
      method: 'GET',
      path: 'traces',
      handle: async ({ fields }) => {
        const { traces, ...rest } = await find(fields, fields.strings('experiment_ids'));
        return { traces: traces.map(traceInfoV2Json), ...rest };
      },
    },
  ];
}

/** A client's account of a trace, as MLflow 3 sends it when the trace is over. */
async function traceOf(api: TracesApi, info: Fields): Promise<TraceLogged> {
  const traceId = info.requiredString('trace_id');
  if (!/^[\w-]{1,100}$/.test(traceId)) throw invalid(`Invalid trace_id '${traceId.slice(0, 100)}': 1 to 100 letters, digits, '_' and '-'.`);
  const experimentId = info.message('trace_location')?.message('mlflow_experiment')?.string('experiment_id');
  if (!experimentId) throw info.missing('trace_location.mlflow_experiment.experiment_id');
  const preview = (name: string): string | null => info.string(name)?.slice(0, LIMITS.preview) ?? null;
  return {
    ...{ traceId, experimentId, requestTime: timeOf(info), executionMs: durationOf(info), state: stateOf(info.string('state') ?? '') },
    ...{ clientRequestId: info.string('client_request_id') || null, requestPreview: preview('request_preview') },
    ...{ responsePreview: preview('response_preview'), metadata: mapOf(info, 'trace_metadata') },
    tags: { ...mapOf(info, 'tags'), ...(await artifactTag(api, experimentId, traceId)) },
  };
}

/**
 * What was said of a trace while it went on comes with the client's account of it. Its ids come from what it says, so that a client that
 * repeats its account does not say it twice.
 */
function assessedWith(
  assessments: readonly Fields[],
  { traceId, experimentId }: TraceLogged,
  metadata: CommandMetadata,
  api: TracesApi,
): TraceFact[] {
  const now = new Date(metadata.now).toISOString();
  return assessments.map((fields, index) => {
    const given = newAssessment(fields);
    const said = { ...given, trace_id: traceId };
    const id = fields.string('assessment_id') || `a-${api.newId({ ...metadata, commandId: traceId }, `${index} ${assessmentText(said)}`)}`;
    const assessment = assessmentText({ valid: true, create_time: now, last_update_time: now, ...said, assessment_id: id });
    return { type: 'TraceAssessed', data: { traceId, experimentId, assessmentId: id, assessment } };
  });
}

/** Where a client that keeps its spans in a file puts it. */
async function artifactTag(api: TracesApi, experimentId: string, traceId: string): Promise<Record<string, string>> {
  const { artifactLocation } = await api.experiment(experimentId);
  return { [ARTIFACT_LOCATION]: `${artifactLocation.replace(/\/+$/, '')}/traces/${traceId}/artifacts` };
}

function timeOf(info: Fields): number {
  const text = info.requiredString('request_time');
  const time = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(time))
    throw invalid(`Invalid value '${text}' for parameter 'request_time': a time such as 2026-01-01T00:00:00Z.`);
  return time;
}

function durationOf(info: Fields): number | null {
  const text = info.string('execution_duration');
  if (text === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)s$/.exec(text);
  if (!match) throw invalid(`Invalid value '${text}' for parameter 'execution_duration': seconds such as 1.5s.`);
  return Math.round(Number(match[1]) * 1000);
}

function stateOf(text: string): TraceState {
  if (text === '' || text === 'TRACE_STATUS_UNSPECIFIED') return 'STATE_UNSPECIFIED';
  const state = TRACE_STATES.find((known) => known === text);
  if (!state) throw invalid(`Invalid trace state '${text}'. Valid values are ${TRACE_STATES.join(', ')}.`);
  return state;
}

function mapOf(fields: Fields, name: string): Record<string, string> {
  const values = fields.message(name)?.values ?? {};
  return Object.fromEntries(Object.entries(values).map(([key, value]) => checkedPair(name, key, value)));
}

function pairsOf(fields: Fields, name: string): Record<string, string> {
  return Object.fromEntries(fields.messages(name).map((pair) => checkedPair(name, pair.requiredString('key'), pair.string('value') ?? '')));
}

function checkedPair(name: string, key: string, value: unknown): [string, string] {
  if (typeof value !== 'string') throw invalid(`Invalid value for '${key.slice(0, 100)}' in '${name}': it is not text.`);
  checkLength(`Key in ${name}`, LIMITS.key, key);
  return [key, cutTo(LIMITS.value, value)];
}

export function traceIdOf(request: FastifyRequest): string {
  return (request.params as { traceId: string }).traceId;
}

function traceIdsOf(fields: Fields): readonly string[] {
  const ids = fields.strings('trace_ids');
  if (ids.length > LIMITS.idsPerRequest) throw invalid(`At most ${LIMITS.idsPerRequest} trace_ids are taken at once, got ${ids.length}.`);
  return ids;
}

function idsOf(found: readonly FoundTrace[]): string[] {
  return found.map(({ id }) => id);
}

function linkedPrompts(text: string | undefined): object[] {
  try {
    const linked: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(linked) ? (linked as object[]) : [];
  } catch {
    return [];
  }
}
