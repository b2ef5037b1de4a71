import { formatPosition, parsePosition, type Clock, type CommandMetadata, type Ids, type Position } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { validTraceparent } from '../telemetry/telemetry.js';
import type { HttpRequest } from './hot-routes.js';
import { ProblemError } from './problem.js';

const VISIBLE = /^[\x21-\x7e]{1,200}$/;

/**
 * What comes in with a command: `Idempotency-Key` (a fresh id without one), the actor, the time, and the trace. The actor is who the
 * credentials say; only where nobody is asked for any is `Millrace-Actor` believed (`anonymous` without one).
 */
export function commandMetadata(request: FastifyRequest, clock: Clock, ids: Ids): CommandMetadata {
  const key = header(request, 'idempotency-key');
  if (key !== undefined && !VISIBLE.test(key)) {
    throw new ProblemError(400, 'MR_HTTP_IDEMPOTENCY_KEY', 'Idempotency-Key has to be 1 to 200 visible ASCII characters without spaces');
  }
  const traceparent = request.traceparent ?? validTraceparent(header(request, 'traceparent'));
  const actor = request.identity?.actor ?? header(request, 'millrace-actor') ?? 'anonymous';
  const keyId = request.identity?.keyId ?? undefined;
  return {
    ...{ commandId: key ?? ids.next(), actor, now: clock.now() },
    ...(keyId === undefined ? {} : { keyId }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Tells the client the position to pass as `at-least` to a later query. */
export function sendPosition(reply: FastifyReply, position: Position | readonly Position[]): void {
  const positions = Array.isArray(position) ? (position as readonly Position[]) : [position as Position];
  if (positions.length > 0) void reply.header('millrace-position', positions.map(formatPosition).join(','));
}

/** A domain's log or a projection: something that comes to have passed a position. */
export interface PositionReader {
  readonly topic: string;
  waitFor(position: Position, deadlineMs?: number): Promise<void>;
}

/**
 * Waits until `readers` have passed the positions of the `at-least` header or query parameter (several separated by commas).
 * A position no reader is of is refused: waiting for nothing would break the promise in silence.
 */
export async function awaitPosition(request: FastifyRequest, ...readers: readonly PositionReader[]): Promise<void> {
  const positions = atLeast(request);
  await Promise.all(
    positions.map(async (position) => {
      const concerned = readers.filter((reader) => reader.topic === position.topic);
      if (concerned.length === 0) {
        const topics = readers.map((reader) => reader.topic).join(', ');
        throw new ProblemError(400, 'MR_POSITION_FOREIGN', `at-least names topic ${position.topic}; this answer rests on ${topics}`);
      }
      await Promise.all(concerned.map((reader) => reader.waitFor(position)));
    }),
  );
}

/** The positions a request asks to be passed. */
export function atLeast(request: HttpRequest): readonly Position[] {
  const query = request.query as Record<string, unknown> | undefined;
  const asked = header(request, 'at-least') ?? query?.['at-least'];
  if (typeof asked !== 'string' || asked === '') return [];
  return asked.split(',').map((text) => {
    const position = parsePosition(text.trim());
    if (!position) throw new ProblemError(400, 'MR_POSITION_MALFORMED', `at-least ${JSON.stringify(text)} is not topic/partition@offset`);
    return position;
  });
}

function header(request: HttpRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
