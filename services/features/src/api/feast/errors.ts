import { isFault } from '@millrace/kernel';
import type { HttpReply } from '@millrace/service';
import type { OnlineFeaturesProblem } from '../../queries/get-online-features.query.js';
import type { ValidationDetail } from './feast-body.js';

/** An error as Feast's server says it: its client makes an exception of class `className` in `feast.errors` with this message. */
export interface FeastError {
  readonly status: number;
  /** Feast's own server says 500 here, so that is what `compat: strict` says. Its client tries 500 again, three times in vain. */
  readonly isServerErrorInFeast?: boolean;
  /** Absent: no exception of Feast's; the body is the message alone. */
  readonly className?: string;
  /** The class is ours to tell; Feast's own server says the message alone. */
  readonly isPlainInFeast?: boolean;
  readonly message: string;
}

/** What a caller got wrong and Feast answers with 500 and a message of whatever failed inside. */
export function refusal(message: string, className?: string): FeastError {
  return { status: 422, isServerErrorInFeast: true, ...(className === undefined ? {} : { className }), message };
}

export function viewNotFound(name: string): FeastError {
  return { status: 404, className: 'FeatureViewNotFoundException', message: `Feature view ${name} does not exist` };
}

export function notOnline(view: string): FeastError {
  return refusal(`Feature view ${view} is not kept online (online: false)`);
}

export function computedOnDemand(view: string): FeastError {
  return refusal(`Feature view ${view} is computed on demand and keeps nothing: name the views that it reads`);
}

/** The table of this protocol: what cannot be answered, as Feast's classes. */
export function feastError(problem: OnlineFeaturesProblem): FeastError {
  switch (problem.kind) {
    case 'no-feature-service':
      return { status: 404, className: 'FeatureServiceNotFoundException', message: `Feature service ${problem.name} does not exist` };
    case 'no-feature-view':
      return viewNotFound(problem.name);
    case 'version-not-kept': {
      const { of, name } = problem;
      const mend = of === 'feature view' ? `name ${name} in a feature service` : 'name it in a deployment';
      return {
        status: 404,
        className: of === 'feature view' ? 'FeatureViewNotFoundException' : 'FeatureServiceNotFoundException',
        message: `${of === 'feature view' ? 'Feature view' : 'Feature service'} ${name} is not kept online, as nothing that is applied names this version: ${mend}`,
      };
    }
    case 'no-feature':
      return {
        status: 404,
        isServerErrorInFeast: true,
        className: 'FeastObjectNotFoundException',
        isPlainInFeast: true,
        message: `Feature ${problem.name} does not exist in feature view ${problem.view}`,
      };
    case 'being-filled':
      return { status: 503, message: `Feature ${problem.name} of feature view ${problem.view} is still being filled; try again` };
    case 'not-online':
      return notOnline(problem.view);
    case 'no-features':
      return refusal('No features were asked for: give features or feature_service');
    case 'no-reference':
      return refusal(`Feature reference ${problem.reference} names no feature: write view:feature`);
    case 'missing-join-key':
      return refusal(`Join key ${problem.name} is missing from entities`);
    case 'request-conflict':
      return refusal(problem.message);
    case 'missing-request': {
      const names = problem.names.map((name) => `'${name}'`).join(', ');
      const message = `Required request data source features [${names}] not found in the entity rows, but required by feature views`;
      return { status: 404, className: 'RequestDataNotFoundInEntityRowsException', message };
    }
    case 'bad-value':
      return refusal(`Value ${problem.row} of ${problem.of} ${problem.name} is not ${problem.type}`);
    case 'ragged':
      return refusal(
        `${problem.of === 'join key' ? 'Join key' : 'Request field'} ${problem.name} has ${problem.length} values, another has ${problem.expected}`,
      );
    case 'too-many-rows':
      return { status: 413, message: `${problem.rows} entity rows; at most ${problem.most} are answered at once` };
  }
}

/** Features of one name in one answer. */
export function nameCollision(names: readonly string[]): FeastError {
  return refusal(
    `Duplicate features named ${names.join(', ')} found.\nTo resolve this collision, either use the full feature name by setting 'full_feature_names=True', or ensure that the features in question have different names.`,
    'FeatureNameCollisionError',
  );
}

/** Faults that the caller, or whoever defined the source, has to mend. */
const CALLERS = new Set([
  'MR_POSITION_FOREIGN',
  'MR_FEATURES_BATCH',
  'MR_FEATURES_MATERIALIZATION_FAILED',
  'MR_FEATURES_MATERIALIZATION_INVALID',
]);

/** An operational failure; only what trying again may mend is a 5xx, because Feast's client tries those again. */
export function faultToFeastError(error: unknown): FeastError | undefined {
  if (!isFault(error)) return undefined;
  const status = CALLERS.has(error.code) ? 422 : error.code === 'MR_DEADLINE_EXCEEDED' ? 504 : error.retryable ? 503 : 500;
  return { status, message: error.message };
}

/** Feast's double encoding: a JSON text that holds JSON. What passes by itself says when to come again. */
export function sendFeastError<R extends HttpReply>(reply: R, error: FeastError, isStrict = false): R {
  if (error.status === 503) void reply.header('retry-after', '1');
  const className = isStrict && error.isPlainInFeast ? undefined : error.className;
  const body =
    className === undefined ? error.message : JSON.stringify({ module: 'feast.errors', class: className, message: error.message });
  return sendJson(reply, isStrict && error.isServerErrorInFeast ? 500 : error.status, JSON.stringify(body));
}

/** FastAPI's refusal of a body that is not of the request's shape. */
export function sendInvalid<R extends HttpReply>(reply: R, detail: readonly ValidationDetail[]): R {
  return sendJson(
    reply,
    422,
    JSON.stringify({ detail }, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
  );
}

export function sendJson<R extends HttpReply>(reply: R, status: number, text: string): R {
  return reply.code(status).header('content-type', 'application/json').send(text);
}
