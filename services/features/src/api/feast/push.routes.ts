import type { SourcePlan, ViewPlan } from '@millrace/feature-engine';
import { isFault, type Position } from '@millrace/kernel';
import { sendPosition } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { EventIntake, IntakeResult } from '../../sources/event-intake.js';
import type { SourceReader } from '../../sources/source-record.js';
import { openCall } from './compatibility.js';
import { computedOnDemand, notOnline, refusal, sendFeastError, sendInvalid, sendJson, type FeastError } from './errors.js';
import { frameEvents, viewColumns, type Frame } from './pushed-rows.js';

export interface PushOptions {
  readonly intake: EventIntake;
  /** The reader of a source that is applied and running. */
  readonly reader: (source: string) => Promise<SourceReader | undefined>;
  /** Whether a source's events come from a query, a table or files: nobody pushes to it. */
  readonly isBatch: (source: string) => boolean;
  readonly view: (name: string) => ViewPlan | undefined;
  readonly isOnDemand: (name: string) => boolean;
  /** All views of a source, online or not. */
  readonly viewsOf: (source: string) => readonly ViewPlan[];
  readonly took: (source: string, result: IntakeResult) => void;
  readonly waitForOnline: (views: readonly ViewPlan[], position: Position) => Promise<void>;
  readonly waitForTable: (topic: string, position: Position) => Promise<void>;
  /** What a request that does not say it gets. */
  readonly isStrict: boolean;
}

type Reach = 'online' | 'offline';

/** What the answer waits for. The events are on the log and come to both stores in any case. */
const TO: Readonly<Record<string, readonly Reach[]>> = {
  online: ['online'],
  offline: ['offline'],
  online_and_offline: ['online', 'offline'],
};
const NO_NAMES: ReadonlyMap<string, string> = new Map();

/** `POST /push` and `POST /write-to-online-store`: rows become events on the source's topic, and the answer comes when they can be read. */
export function pushRoutes(scope: FastifyInstance, options: PushOptions): void {
  scope.post('/push', async (request, reply) => {
    const call = openCall(request, reply, options.isStrict);
    if (!call) return reply;
    const { isStrict, read } = call;
    const name = read.text('push_source_name');
    const frame = read.columns('df');
    const to = read.text('to', 'online');
    if (read.detail.length > 0) return sendInvalid(reply, read.detail);
    const reach = Object.hasOwn(TO, to) ? TO[to] : undefined;
    if (!reach)
      return sendFeastError(reply, refusal(`to is ${JSON.stringify(to)}; it must be one of ${Object.keys(TO).join(', ')}`), isStrict);
    const reader = options.isBatch(name) ? undefined : await options.reader(name);
    if (!reader) return sendFeastError(reply, pushSourceNotFound(name));
    const views = options.viewsOf(name).filter((view) => view.online);
    const outcome = await take(options, request, reader, frame, NO_NAMES, reach, views);
    return answer(reply, outcome, '', isStrict);
  });

  scope.post('/write-to-online-store', async (request, reply) => {
    const call = openCall(request, reply, options.isStrict);
    if (!call) return reply;
    const { isStrict, read } = call;
    const name = read.text('feature_view_name');
    const frame = read.columns('df');
    if (read.detail.length > 0) return sendInvalid(reply, read.detail);
    const view = options.view(name);
    const reader = view && (await options.reader(view.source.name));
    if (options.isOnDemand(name)) return sendFeastError(reply, computedOnDemand(name), isStrict);
    if (!view || !reader) return sendFeastError(reply, noSuchObject(name));
    if (!view.online) return sendFeastError(reply, notOnline(name), isStrict);
    if (options.isBatch(view.source.name)) {
      const message = `Feature view ${name} is filled from the rows of source ${view.source.name}; materialize it`;
      return sendFeastError(reply, refusal(message), isStrict);
    }
    const names = viewColumns(view);
    if ('status' in names) return sendFeastError(reply, names, isStrict);
    const outcome = await take(options, request, reader, frame, names, ['online'], [view]);
    return answer(reply, outcome, 'null', isStrict);
  });
}

interface Taken {
  readonly positions: readonly Position[];
  /** Whether what was taken can be read by now. */
  readonly isReadable: boolean;
}

async function take(
  options: PushOptions,
  request: FastifyRequest,
  reader: SourceReader,
  frame: Frame,
  names: ReadonlyMap<string, string>,
  reach: readonly Reach[],
  views: readonly ViewPlan[],
): Promise<Taken | FeastError> {
  const { plan } = reader;
  const events = frameEvents(frame, plan, options.viewsOf(plan.name), names);
  if ('status' in events) return events;
  const result = await options.intake.takeAll(reader, events, request.traceparent);
  options.took(plan.name, result);
  const { rejected, rejectedCount, positions } = result;
  const [first] = rejected;
  if (first) {
    const others = rejectedCount > 1 ? `, and ${rejectedCount - 1} other rows are not right either` : '';
    return refusal(`Row ${first.line} of df: ${first.reason}${others}; nothing was taken`);
  }
  return { positions, isReadable: await isReached(options, plan, reach, views, positions) };
}

/** Not reached in time is no failure: the rows are on the log, and a client told of one would send them again. */
async function isReached(
  options: PushOptions,
  { topic }: SourcePlan,
  reach: readonly Reach[],
  views: readonly ViewPlan[],
  positions: readonly Position[],
): Promise<boolean> {
  try {
    await Promise.all(
      positions.flatMap((position) => [
        ...(reach.includes('online') && views.length > 0 ? [options.waitForOnline(views, position)] : []),
        ...(reach.includes('offline') ? [options.waitForTable(topic, position)] : []),
      ]),
    );
    return true;
  } catch (error) {
    if (isFault(error) && error.retryable) return false;
    throw error;
  }
}

function answer(reply: FastifyReply, outcome: Taken | FeastError, text: string, isStrict: boolean): FastifyReply {
  if ('status' in outcome) return sendFeastError(reply, outcome, isStrict);
  sendPosition(reply, outcome.positions);
  const status = outcome.isReadable ? 200 : 202;
  return text === '' ? reply.code(status).send() : sendJson(reply, status, text);
}

function pushSourceNotFound(name: string): FeastError {
  return { status: 422, className: 'PushSourceNotFoundException', message: `Unable to find push source '${name}'.` };
}

function noSuchObject(name: string): FeastError {
  return { status: 404, className: 'FeastObjectNotFoundException', message: `There is no feature view ${name}` };
}
