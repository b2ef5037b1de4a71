import { isFault, type Rejection } from '@millrace/kernel';
import { STATUS_CODES } from 'node:http';

/** RFC 9457. `code` is ours and stable; people read `detail`, programs read `code`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** Thrown by a REST controller to answer with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details?: Readonly<Record<string, unknown>>,
  ) {
    super(message);
  }
}

/** How our own REST answers a rejection whose table does not say: by what its code ends with, 409 for every other no. */
const BY_ENDING: readonly (readonly [RegExp, number])[] = [
  [/_NOT_FOUND$/, 404],
  [/_(INVALID|MALFORMED|UNSUPPORTED|TOO_LONG|TOO_MANY|REQUIRED)$/, 400],
  [/_FORBIDDEN$/, 403],
];

/** A rule's no as an error to throw. `statuses` is the protocol's own table. */
export function rejectionToProblem(rejection: Rejection, statuses: Readonly<Record<string, number>> = {}): ProblemError {
  const status = statuses[rejection.code] ?? BY_ENDING.find(([ending]) => ending.test(rejection.code))?.[1] ?? 409;
  return new ProblemError(status, rejection.code, rejection.message, rejection.details);
}

const FAULTS: Readonly<Record<string, number>> = {
  MR_DEADLINE_EXCEEDED: 504,
  MR_CONTENTION: 503,
  MR_COMMANDS_OVERLOADED: 503,
  MR_POSITION_FOREIGN: 400,
  MR_ARTIFACT_PATH: 400,
  MR_ARTIFACT_NOT_FOUND: 404,
};

/** What Nest says of a path that nothing is at. */
const NO_ROUTE = /^Cannot ([A-Z]+) ([^?]*).*$/s;
const NAMED_ROUTES = 'there is no route $1 $2; GET /api/v1/openapi.json names all under /api/v1';

export interface Answer {
  readonly problem: Problem;
  /** Seconds after which trying again may help. */
  readonly retryAfter?: number;
  /** Nobody expected this: it is logged with its stack and told to the client without its text. */
  readonly isDefect: boolean;
}

/** Whatever was thrown, as a problem. */
export function problemOf(error: unknown): Answer {
  if (isProblemError(error)) return answer(error.status, error.code, error.message, error.details);
  if (isFault(error)) {
    const status = FAULTS[error.code] ?? (error.retryable ? 503 : 500);
    const told = answer(status, error.code, error.message, error.details);
    return { ...told, isDefect: status === 500, ...(error.retryable ? { retryAfter: 1 } : {}) };
  }
  const status = statusOf(error);
  if (status !== undefined && status < 500) {
    const message = error instanceof Error ? error.message : String(error);
    return answer(status, codeOf(status), status === 404 ? message.replace(NO_ROUTE, NAMED_ROUTES) : message);
  }
  return {
    ...answer(500, 'MR_INTERNAL', 'something went wrong here; the log of this process has the details under the request id'),
    isDefect: true,
  };
}

function answer(status: number, code: string, detail: string, details?: Readonly<Record<string, unknown>>): Answer {
  const problem = { type: `urn:millrace:problem:${code}`, title: STATUS_CODES[status] ?? 'Error', status, detail, code };
  return { problem: details && Object.keys(details).length > 0 ? { ...problem, details } : problem, isDefect: false };
}

function isProblemError(error: unknown): error is ProblemError {
  return error instanceof Error && error.name === 'ProblemError';
}

/** Nest's HttpException (`getStatus`) and Fastify's errors (`statusCode`) say their status themselves. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { statusCode, getStatus } = error as { statusCode?: unknown; getStatus?: unknown };
  if (typeof getStatus === 'function') return Number(getStatus.call(error));
  return typeof statusCode === 'number' ? statusCode : undefined;
}

function codeOf(status: number): string {
  return `MR_HTTP_${(STATUS_CODES[status] ?? 'error').toUpperCase().replace(/[^A-Z]+/g, '_')}`;
}
