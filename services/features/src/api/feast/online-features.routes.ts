import { parseEventTime, type OnlineReader, type ServicePlan, type ViewPlan } from '@millrace/feature-engine';
import type { Position } from '@millrace/kernel';
import { atLeast, type AddHotRoute, type HttpReply, type HttpRequest } from '@millrace/service';
import { ReadLog } from '../../reads/read-log.js';
import { getOnlineFeatures, type OnlineCatalog, type OnlineFeatures } from '../../queries/get-online-features.query.js';
import { strictness } from './compatibility.js';
import { feastError, nameCollision, sendFeastError, sendInvalid } from './errors.js';
import { parseFeastRequest } from './online-features-request.js';
import { writeFeastResponse } from './online-features-response.js';
import { RequestedFeatures } from './requested-features.js';

export interface OnlineFeaturesOptions {
  readonly catalog: OnlineCatalog;
  readonly reader: OnlineReader;
  readonly now: () => number;
  readonly waitFor: (views: readonly ViewPlan[], position: Position) => Promise<void>;
  readonly maxRows: number;
  /** Takes the answers of services that log their reads. */
  readonly readLog: Pick<ReadLog, 'answered'>;
  /** What a request that does not say it gets. */
  readonly isStrict: boolean;
  readonly onError: (error: unknown, request: HttpRequest, reply: HttpReply) => void;
}

/** `POST /get-online-features`, as Feast's feature server answers it. */
export function onlineFeaturesRoutes(addHotRoute: AddHotRoute, options: OnlineFeaturesOptions): void {
  const requested = new RequestedFeatures(options.catalog);
  const handler = async (request: HttpRequest, reply: HttpReply): Promise<HttpReply> => {
    const isStrict = strictness(request, reply, options.isStrict);
    if (isStrict === undefined) return reply;
    const parsed = parseFeastRequest(request.body, parseEventTime);
    if ('detail' in parsed) return sendInvalid(reply, parsed.detail);
    const features = requested.resolve(parsed, isStrict);
    if ('kind' in features) return sendFeastError(reply, feastError(features), isStrict);
    if (features.repeated.length > 0) return sendFeastError(reply, nameCollision(features.repeated), isStrict);
    const { plan } = features;
    const positions = [...parsed.atLeast, ...atLeast(request)];
    if (positions.length > 0) await Promise.all(positions.map((position) => options.waitFor(plan.views, position)));
    const at = parsed.at ?? options.now();
    const answer = await getOnlineFeatures(options.reader, plan, parsed.entities, at, options.maxRows);
    if ('kind' in answer) return sendFeastError(reply, feastError(answer), isStrict);
    const { readLog } = features;
    if (readLog !== undefined && ReadLog.takes(readLog, request.id)) {
      const { id, traceparent } = request;
      const { featureService, serviceVersion, redact } = readLog;
      const time = options.now();
      options.readLog.answered({ id, featureService, serviceVersion, redact, plan, answer, at, isAgeless: isStrict, time, traceparent });
    }
    return reply
      .header('content-type', 'application/json')
      .send(writeFeastResponse(features.names, isStrict ? timeless(plan, answer) : answer, isStrict));
  };
  addHotRoute({ path: '/get-online-features', handler, onError: options.onError });
}

/** Feast's server tells no times of features that it computes. */
function timeless(plan: ServicePlan, answer: OnlineFeatures): OnlineFeatures {
  if (plan.onDemand.length === 0) return answer;
  const columns = answer.vectors.columns.map((column, index) =>
    typeof plan.columns[index] === 'number' ? column : { ...column, times: column.times.map(() => 0) },
  );
  return { ...answer, vectors: { ...answer.vectors, columns } };
}
