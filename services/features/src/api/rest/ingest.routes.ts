import type { SourcePlan } from '@millrace/feature-engine';
import { formatPosition, parseShallowJson } from '@millrace/kernel';
import { jsonOf, ProblemError, sendPosition, whileAdmitted } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import type { EventIntake, GivenEvents, IntakeResult } from '../../sources/event-intake.js';
import type { SourceReader } from '../../sources/source-record.js';
import { EVENTS_ANSWER, NO_SOURCE } from './answers.js';
import { decodedBody } from './decoded-body.js';
import { doc } from './doc.js';
import { arrayEvents, cloudEvents, ndjsonEvents, withoutMark } from './event-lines.js';

export interface IngestOptions {
  readonly intake: EventIntake;
  /** The reader of a source that is applied and running. */
  readonly reader: (source: string) => Promise<SourceReader | undefined>;
  /** Whether a source's events come from a query, a table or files: nobody sends any. */
  readonly isBatch: (source: string) => boolean;
  readonly took: (source: string, result: IntakeResult) => void;
  readonly maxBytes: number;
  readonly maxAtomicBytes: number;
  readonly maxEventBytes: number;
}

/**
 * `POST /api/v1/sources/{name}/events`: NDJSON (read as a stream), a JSON array, or a CloudEvents batch. 200 when all events were taken, 207 when
 * some were, 422 when none was; `?atomic=true` takes all or none.
 */
export function ingestRoutes(scope: FastifyInstance, options: IngestOptions): void {
  const sending = doc('Sends events of a source.', {
    query: { atomic: { type: 'boolean', description: '`true` takes all events or none.' } },
    body: {
      'application/x-ndjson': 'text',
      'application/json': 'array',
      'application/cloudevents-batch+json': 'array',
      'application/cloudevents+json': 'object',
    },
    answer: jsonOf(EVENTS_ANSWER),
    statuses: { 200: 'All events were taken.', 207: 'Some were taken.' },
    errors: { ...NO_SOURCE, 409: 'It is filled from a query, a table or files.' },
    otherwise: { 422: 'No event was taken; the body says why, as it does for those that are refused among others.' },
  });
  scope.post<{ Params: { name: string }; Querystring: Record<string, unknown> }>(
    '/api/v1/sources/:name/events',
    sending,
    async (request, reply) => {
      const { name } = request.params;
      const atomic = isAtomic(request.query);
      if (options.isBatch(name)) {
        const message = `source ${name} is filled from its query, table or files; materialize it instead`;
        throw new ProblemError(409, 'MR_FEATURES_SOURCE_BATCH', message);
      }
      const reader = await options.reader(name);
      if (!reader)
        throw new ProblemError(404, 'MR_FEATURES_SOURCE_NOT_FOUND', `there is no source ${JSON.stringify(name)}; apply it first`);
      const { intake } = options;
      // A request without a body carries no events, which is no mistake.
      const body = (request.body as Readable | undefined) ?? Readable.from([]);
      const result = await whileAdmitted(request, reply, body, async (admitted) => {
        const events = await eventsOf(request, admitted, reader.plan, options, atomic);
        return atomic ? intake.takeAll(reader, events, request.traceparent) : intake.take(reader, events, request.traceparent);
      });
      options.took(name, result);
      sendPosition(reply, result.positions);
      const status = result.rejectedCount === 0 ? 200 : result.accepted > 0 ? 207 : 422;
      return reply.code(status).send({
        accepted: result.accepted,
        rejected: result.rejected,
        ...(result.rejectedCount > result.rejected.length ? { rejectedCount: result.rejectedCount } : {}),
        position: result.positions.map(formatPosition),
      });
    },
  );
}

/** Whoever asks for all or none in other words must not get a part. */
function isAtomic({ atomic = 'false', ...others }: Record<string, unknown>): boolean {
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new ProblemError(400, 'MR_FEATURES_EVENTS_MALFORMED', `${other} is not a parameter of events; there is atomic, true or false`);
  if (atomic === 'true' || atomic === '1') return true;
  if (atomic === 'false' || atomic === '0') return false;
  throw new ProblemError(400, 'MR_FEATURES_EVENTS_MALFORMED', `atomic is ${JSON.stringify(atomic)}; it is true or false`);
}

async function eventsOf(
  request: FastifyRequest,
  raw: Readable,
  plan: SourcePlan,
  options: IngestOptions,
  atomic: boolean,
): Promise<GivenEvents> {
  const type = (request.headers['content-type'] ?? 'application/x-ndjson').split(';')[0]?.trim().toLowerCase();
  const body = decodedBody(raw, request.headers['content-encoding']);
  const { maxBytes, maxAtomicBytes, maxEventBytes } = options;
  switch (type) {
    case 'application/x-ndjson':
    case 'application/jsonl':
    case 'application/ndjson':
    case 'text/plain':
      return ndjsonEvents(plan, limited(body, atomic ? maxAtomicBytes : maxBytes), maxEventBytes);
    case 'application/json':
      return arrayEvents(plan, await jsonArray(body, maxAtomicBytes), maxEventBytes);
    case 'application/cloudevents-batch+json':
      return cloudEvents(plan, await jsonArray(body, maxAtomicBytes), maxEventBytes);
    case 'application/cloudevents+json':
      return cloudEvents(plan, [await json(body, maxAtomicBytes)], maxEventBytes);
    default:
      throw new ProblemError(
        415,
        'MR_FEATURES_MEDIA_TYPE',
        `${JSON.stringify(type)} is not application/x-ndjson, application/json, application/cloudevents-batch+json or application/cloudevents+json`,
      );
  }
}

/** A body that ends with 413 when it is longer than it may be. What came before may be on the log then; sending it again does no harm. */
async function* limited(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new ProblemError(413, 'MR_FEATURES_EVENTS_TOO_LARGE', `the body is longer than ${maxBytes} bytes; send it in parts`);
    yield chunk;
  }
}

async function json(body: AsyncIterable<Buffer>, maxBytes: number): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const chunk of limited(body, maxBytes)) parts.push(chunk);
  const bytes = withoutMark(Buffer.concat(parts));
  if (!isUtf8(bytes))
    throw new ProblemError(400, 'MR_FEATURES_EVENTS_MALFORMED', 'the body is not JSON: it has bytes that are no text in UTF-8');
  try {
    return parseShallowJson(bytes.toString('utf8'));
  } catch (error) {
    throw new ProblemError(
      400,
      'MR_FEATURES_EVENTS_MALFORMED',
      `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function jsonArray(body: AsyncIterable<Buffer>, maxBytes: number): Promise<readonly unknown[]> {
  const value = await json(body, maxBytes);
  if (!Array.isArray(value)) throw new ProblemError(400, 'MR_FEATURES_EVENTS_MALFORMED', 'the body must be a JSON array of events');
  return value as readonly unknown[];
}
