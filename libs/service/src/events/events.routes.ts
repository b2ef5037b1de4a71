import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { jsonOf } from '../http/answer-schema.js';
import { STATUS_ANSWER, TOPICS_ANSWER } from '../http/common-answers.js';
import { ProblemError } from '../http/problem.js';
import { commonDoc, type QueryDoc } from '../http/route-doc.js';
import type { EventReader, ReadEvents } from './read-events.js';
import { recordLine } from './record-json.js';
import { status, topicStatuses, type StatusContext } from './status.js';

export interface EventsRoutesContext extends StatusContext {
  readonly reader: EventReader;
  /** Aborted when the process stops: whoever waits is answered. */
  readonly stopping: AbortSignal;
}

const DEFAULT_LIMIT = 100;
const HIGHEST_LIMIT = 1000;
const LONGEST_WAIT_MS = 30_000;
/** A waiting request holds one of the process's request slots. */
const MOST_WAITING = 64;
const NDJSON = 'application/x-ndjson; charset=utf-8';
const QUERY: QueryDoc = {
  partition: { type: 'integer', description: 'Which partition; has to be said where the topic has several.' },
  from: '`beginning`, `end`, an offset, or `-N` for the last N; `beginning` unless given.',
  limit: { type: 'integer', description: `How many at most: ${DEFAULT_LIMIT} unless given, ${HIGHEST_LIMIT} at the highest.` },
  wait: { type: 'integer', description: 'How many milliseconds to wait for events where there are none yet; 0 unless given.' },
};

/** Looking at the log over HTTP: `/api/v1/events`, `/api/v1/events/{topic}` and `/api/v1/status`, the same in every service. */
export function eventsRoutes(server: FastifyInstance, context: EventsRoutesContext): void {
  const standing = commonDoc('How this service stands: its topics, readers and resources.', { answer: jsonOf(STATUS_ANSWER) });
  server.get('/api/v1/status', standing, () => status(context));
  const listing = commonDoc('The topics of the log, with where they begin and end.', { answer: jsonOf(TOPICS_ANSWER) });
  server.get('/api/v1/events', listing, async () => ({
    topics: await topicStatuses(context.log, context.topics),
  }));
  const page = commonDoc('Records of a partition of a topic, one JSON object a line.', {
    description: 'The header `millrace-next-offset` says where to go on.',
    query: QUERY,
    answer: { 'application/x-ndjson': 'text' },
    errors: { 404: 'There is no such topic here.' },
  });
  server.get('/api/v1/events/:topic', page, (request, reply) => events(context, request, reply));
}

/** One record a line; the header `millrace-next-offset` says where to go on. */
async function events(context: EventsRoutesContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { topic } = request.params as { topic: string };
  const { reader, log, topics, stopping } = context;
  const visible = topics.find(topic);
  const partitions = visible && (await log.partitions(topic));
  if (!visible || partitions === undefined) {
    throw new ProblemError(404, 'MR_EVENTS_TOPIC_NOT_FOUND', `there is no topic ${topic} here; list them with GET /api/v1/events`);
  }
  const options = optionsOf(topic, partitions, request.query as Record<string, string | undefined>);
  if (options.waitMs > 0 && reader.waiting >= MOST_WAITING) {
    void reply.header('retry-after', '1');
    throw new ProblemError(
      503,
      'MR_EVENTS_OVERLOADED',
      `${MOST_WAITING} requests are waiting for events already; retry, or ask without wait`,
    );
  }
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const page = await reader.read(options, AbortSignal.any([gone.signal, stopping]));
  const isDeadLetter = visible.kind === 'dead-letters';
  return reply
    .header('content-type', NDJSON)
    .header('millrace-next-offset', String(page.nextOffset))
    .header('millrace-end-offset', String(page.end))
    .send(page.records.map((record) => `${recordLine(record, isDeadLetter)}\n`).join(''));
}

function optionsOf(topic: string, partitions: number, query: Record<string, string | undefined>): ReadEvents {
  return {
    topic,
    partition: integer(query, 'partition', 0, partitions - 1, partitions === 1 ? 0 : undefined),
    from: fromOf(query['from'] ?? 'beginning'),
    limit: integer(query, 'limit', 1, HIGHEST_LIMIT, DEFAULT_LIMIT),
    waitMs: integer(query, 'wait', 0, LONGEST_WAIT_MS, 0),
  };
}

function fromOf(text: string): ReadEvents['from'] {
  if (text === 'beginning' || text === 'end') return text;
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw invalid('from', 'is beginning, end, an offset, or -N for the last N');
}

function integer(query: Record<string, string | undefined>, name: string, least: number, most: number, otherwise?: number): number {
  const text = query[name];
  if (text === undefined && otherwise !== undefined) return otherwise;
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isInteger(value) || value < least || value > most) {
    throw invalid(name, `is an integer from ${least} to ${most}`);
  }
  return value;
}

function invalid(name: string, what: string): ProblemError {
  return new ProblemError(400, 'MR_EVENTS_QUERY_INVALID', `${name} ${what}`, { parameter: name });
}
