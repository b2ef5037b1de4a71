import { AT_LEAST, compactJson, jsonOf, LIST_PAGE, PAGED, ProblemError, type QueryDoc } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { MODELS } from '../../domain/models/models.decider.js';
import { placeOf, type AuditDecision, type AuditFilter, type AuditPage } from '../../queries/audit.query.js';
import type { GovernanceApi } from './context.js';
import { AUDIT_ANSWER, MODEL_HISTORY_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { invalid, RequestFields } from './fields.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const NDJSON = 'application/x-ndjson; charset=utf-8';
const HISTORY: QueryDoc = {
  from: 'Decisions from this time on.',
  to: 'Decisions before this time.',
  order: { description: 'By time; `asc` unless given.', enum: ['asc', 'desc'] },
  ...PAGED,
  ...AT_LEAST,
};
const TRAIL: QueryDoc = {
  subject: 'Of these subjects, separated by commas.',
  model: 'About the model that has or had this name; not together with `subject`.',
  actor: 'Of this actor.',
  keyId: 'Made with this API key, by its id.',
  domain: 'Of this domain.',
  type: 'Of these types, separated by commas.',
  ...HISTORY,
  format: { description: '`jsonl` exports all of them, one a line, without pages.', enum: ['json', 'jsonl'] },
};

/** `GET /api/v1/audit` and `GET /api/v1/models/{name}/history`: who decided what, when and why, from the log's decisions. */
export function auditRoutes(scope: FastifyInstance, api: GovernanceApi): void {
  const trail = doc('Who decided what, when and why.', {
    query: TRAIL,
    answer: { ...jsonOf(AUDIT_ANSWER), 'application/x-ndjson': 'text' },
    errors: { 404: 'No model has or had the name.' },
  });
  scope.get('/api/v1/audit', trail, async (request, reply) => {
    const fields = new RequestFields(request.query, Object.keys(TRAIL));
    await api.upToDate(request);
    const filter = await filterOf(api, fields);
    const named = await namer(api);
    if (isExport(request, fields)) {
      return reply.header('content-type', NDJSON).send(Readable.from(lines(api.audit.trail(filter), named)));
    }
    return sendPage(reply, {}, await api.audit.page(filter, limitOf(fields), tokenOf(fields)), named);
  });
  const telling = doc('Every decision about a model.', {
    query: HISTORY,
    answer: jsonOf(MODEL_HISTORY_ANSWER),
    errors: { 404: 'No model has or had the name.' },
  });
  scope.get('/api/v1/models/:name/history', telling, async (request, reply) => {
    const fields = new RequestFields(request.query, Object.keys(HISTORY));
    await api.upToDate(request);
    const { name } = request.params as { name: string };
    const filter = { ...timesOf(fields), models: await modelsOf(api, name) };
    return sendPage(reply, { model: name }, await api.audit.page(filter, limitOf(fields), tokenOf(fields)), await namer(api));
  });
}

async function filterOf(api: GovernanceApi, fields: RequestFields): Promise<AuditFilter> {
  const [subject, model, type] = [fields.text('subject'), fields.text('model'), fields.text('type')];
  if (subject !== undefined && model !== undefined) throw invalid('subject', 'and model exclude each other');
  const about = model === undefined ? { subjects: subject?.split(',') } : { models: await modelsOf(api, model) };
  return {
    ...timesOf(fields),
    ...about,
    actor: fields.text('actor'),
    keyId: fields.text('keyId'),
    domain: fields.text('domain'),
    types: type?.split(','),
  };
}

/** Models that have the name or had it, deleted ones too: what was decided about them is asked for by the name people knew. */
async function modelsOf(api: GovernanceApi, name: string): Promise<readonly string[]> {
  const models = await api.audit.named(name);
  if (models.length === 0) throw new ProblemError(404, 'MR_REGISTRY_MODEL_NOT_FOUND', `there is and was no registered model ${name}`);
  return models;
}

function timesOf(fields: RequestFields): Pick<AuditFilter, 'from' | 'to' | 'newestFirst'> {
  const order = fields.text('order') ?? 'asc';
  if (order !== 'asc' && order !== 'desc') throw invalid('order', 'is asc or desc');
  return { from: fields.time('from'), to: fields.time('to'), newestFirst: order === 'desc' };
}

function limitOf(fields: RequestFields): number {
  const limit = fields.number('limit') ?? LIST_PAGE.usual;
  if (limit > LIST_PAGE.highest)
    throw invalid('limit', `is at most ${LIST_PAGE.highest}; go on with pageToken, or export with format=jsonl`);
  return limit;
}

function tokenOf(fields: RequestFields): string | undefined {
  const token = fields.text('pageToken');
  if (token !== undefined && !placeOf(token)) throw invalid('pageToken', 'is not one this list gave');
  return token;
}

function isExport(request: FastifyRequest, fields: RequestFields): boolean {
  const format = fields.text('format');
  if (format !== undefined && format !== 'json' && format !== 'jsonl') throw invalid('format', 'is json or jsonl');
  return format === undefined ? (request.headers.accept ?? '').includes('application/x-ndjson') : format === 'jsonl';
}

async function* lines(entries: AsyncIterable<AuditDecision>, nameOf: Namer): AsyncGenerator<string> {
  for await (const entry of entries) yield `${entryText(entry, nameOf)}\n`;
}

function sendPage(reply: FastifyReply, about: object, { entries, ...rest }: AuditPage, nameOf: Namer): FastifyReply {
  const list = entries.map((entry) => entryText(entry, nameOf)).join(',');
  return reply.header('content-type', JSON_TYPE).send(withText({ ...about, ...rest }, 'entries', `[${list}]`));
}

/** An entry with its data as they were written: parsing would round their long numbers. */
function entryText(entry: AuditDecision, nameOf: Namer): string {
  const { data: _data, written, ...told } = entry;
  const model = nameOf(entry);
  return withText(model === undefined ? told : { ...told, model }, 'data', compactJson(written));
}

/** An object as JSON, with one more field whose value is JSON already. */
function withText(fields: object, name: string, value: string): string {
  const text = JSON.stringify(fields);
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}"${name}":${value}}`;
}

type Namer = (entry: AuditDecision) => string | undefined;

/** The name of the model an entry is about, of a deleted one its last: subjects hold ids, people know names. */
async function namer(api: GovernanceApi): Promise<Namer> {
  const names = new Map(await api.audit.deleted());
  for (const { registered } of api.view.models()) names.set(registered.modelId, registered.name);
  return (entry) => {
    const id = entry.subject === MODELS ? (entry.data as { modelId?: string }).modelId : entry.subject.replace(/^model\//, '');
    return entry.domain === 'registry' && id !== undefined ? names.get(id) : undefined;
  };
}
