import type { CommandMetadata } from '@millrace/kernel';
import { jsonOf, ProblemError } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GarbageCollection, GarbageRequest } from '../../commands/garbage-collection.js';
import { GARBAGE_ANSWER } from './answers.js';
import { GARBAGE_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface GcContext {
  readonly garbage: GarbageCollection;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MOST_IDS = 10_000;

/** `POST /api/v1/runs/gc`: makes the deletion of runs and experiments final. Bodies arrive as JSON; without one, all that is deleted goes. */
export function gcRoutes(scope: FastifyInstance, { garbage, metadata }: GcContext): void {
  const collecting = doc('Makes the deletion of runs and experiments final.', {
    body: jsonOf(GARBAGE_REQUEST),
    answer: jsonOf(GARBAGE_ANSWER),
  });
  scope.post('/api/v1/runs/gc', collecting, async (request) => {
    const command = metadata(request);
    return garbage.collect(requestOf(request.body, command.now), command);
  });
}

function requestOf(body: unknown, now: number): GarbageRequest {
  const given = body === undefined || body === null ? {} : body;
  if (typeof given !== 'object' || Array.isArray(given)) throw wrong('the body is not a JSON object');
  const { olderThan, runIds, experimentIds, dryRun = false, ...unknown } = given as Record<string, unknown>;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) throw wrong(`${stranger} is not a field; there are olderThan, runIds, experimentIds and dryRun`);
  if (typeof dryRun !== 'boolean') throw wrong('dryRun is neither true nor false');
  return {
    dryRun,
    runIds: idsOf('runIds', runIds),
    experimentIds: idsOf('experimentIds', experimentIds),
    // A deletion of this very moment counts as well.
    deletedBefore: olderThan === undefined ? now + 1 : now - durationOf(olderThan),
  };
}

function idsOf(name: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.some((id) => typeof id !== 'string')) throw wrong(`${name} is not a list of ids`);
  if (value.length > MOST_IDS) throw wrong(`${name} has ${value.length} ids; at most ${MOST_IDS} go at once`);
  return value as string[];
}

/** `30d`, `1d2h3m4s`, as MLflow's own gc takes it. */
function durationOf(value: unknown): number {
  const parts = typeof value === 'string' && /^(?:\d+(?:\.\d+)?[dhms])+$/.test(value) ? value.match(/\d+(?:\.\d+)?[dhms]/g) : null;
  if (!parts) throw wrong('olderThan is not a duration such as 30d, 12h or 1d2h3m4s');
  return parts.reduce((sum, part) => sum + Number(part.slice(0, -1)) * (UNITS[part.slice(-1)] as number), 0);
}

function wrong(detail: string): ProblemError {
  return new ProblemError(400, 'MR_TRACKING_GC_INVALID', detail);
}
