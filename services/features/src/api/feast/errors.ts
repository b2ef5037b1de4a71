import { isFault } from '@millrace/kernel';
import type { FastifyReply } from 'fastify';
import type { OnlineFeaturesProblem } from '../../queries/get-online-features.query.js';

/** An error as Feast's server says it: its client makes an exception of class `className` in `feast.errors` with this message. */
export interface FeastError {
  readonly status: number;
  /** Absent: no exception of Feast's; the body is the message alone. */
  readonly className?: string;
  readonly message: string;
}

/** The table of this protocol: what cannot be answered, as Feast's classes. Feast itself says 500 to most of it, and its client then retries in vain. */
export function feastError(problem: OnlineFeaturesProblem): FeastError {
  switch (problem.kind) {
    case 'no-feature-service':
      return { status: 404, className: 'FeatureServiceNotFoundException', message: `Feature service ${problem.name} does not exist` };
    case 'no-feature-view':
      return { status: 404, className: 'FeatureViewNotFoundException', message: `Feature view ${problem.name} does not exist` };
    case 'no-feature':
      return {
        status: 404,
        className: 'FeastObjectNotFoundException',
        message: `Feature ${problem.name} does not exist in feature view ${problem.view}`,
      };
    case 'not-online':
      return { status: 422, message: `Feature view ${problem.view} is not kept online (online: false)` };
    case 'no-features':
      return { status: 422, message: 'No features were asked for: give features or feature_service' };
    case 'missing-join-key':
      return { status: 422, message: `Join key ${problem.name} is missing from entities` };
    case 'bad-value':
      return { status: 422, message: `Value ${problem.row} of join key ${problem.name} is not ${problem.type}` };
    case 'ragged':
      return { status: 422, message: `Join key ${problem.name} has ${problem.length} values, another has ${problem.expected}` };
    case 'too-many-rows':
      return { status: 413, message: `${problem.rows} entity rows; at most ${problem.most} are answered at once` };
  }
}

/** Features of one name in one answer. */
export function nameCollision(names: readonly string[]): FeastError {
  return {
    status: 422,
    className: 'FeatureNameCollisionError',
    message: `Duplicate features named ${names.join(', ')} found.\nTo resolve this collision, either use the full feature name by setting 'full_feature_names=True', or ensure that the features in question have different names.`,
  };
}

/** An operational failure; only what trying again may mend is a 5xx, because Feast's client tries those again. */
export function faultToFeastError(error: unknown): FeastError | undefined {
  if (!isFault(error)) return undefined;
  const status = error.code === 'MR_POSITION_FOREIGN' ? 422 : error.code === 'MR_DEADLINE_EXCEEDED' ? 504 : error.retryable ? 503 : 500;
  return { status, message: error.message };
}

/** Feast's double encoding: a JSON text that holds JSON. */
export function sendFeastError(reply: FastifyReply, { status, className, message }: FeastError): FastifyReply {
  const body = className === undefined ? message : JSON.stringify({ module: 'feast.errors', class: className, message });
  return reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body));
}
