import { jsonOf, ProblemError, sendPosition } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PredictionMade } from '../../domain/prediction/prediction.js';
import type { Resolved } from '../../domain/registry/model-reference.js';
import type { EdgeRecorder } from '../../gateway/edge-recorder.js';
import { EDGE_ANSWER, NO_VERSION } from './answers.js';
import { EDGE_UPLOAD } from './bodies.js';
import { doc } from './doc.js';
import { parsePrediction, parseUpload, type EdgeUpload, type FieldRefusal } from './parse-edge-predictions.js';

/** Predictions of one upload at most; the runners send 200. */
const MAX_PREDICTIONS = 1_000;
/** Refusals told of one upload at most. */
const MAX_TOLD = 100;
/** How long a browser may remember what it was told about this address, in seconds. */
const PREFLIGHT_SECONDS = 600;
const PATH = '/api/v1/serving/models/:model/versions/:version/predictions';

export interface EdgePredictionOptions {
  readonly recorder: EdgeRecorder;
  /** Waits for the registry's decisions before it says that there is no such version. */
  readonly resolve: (model: string, version: number) => Promise<Resolved>;
  readonly maxElements: number;
  /** Origins whose pages may send; the server's own may in any case. */
  readonly origins: readonly string[];
}

/**
 * `POST /api/v1/serving/models/{model}/versions/{version}/predictions`: what an exported model has answered, sent later.
 * `{device, session, runner: "web" | "node", sentAt, graph?, digest?, deployment?, predictions: [{id, time, inputs | features, outputs | error, latencyMicros,
 * unit?}]}`, times in milliseconds since the epoch by the device's clock, at most 1,000 predictions. Answers `202 {recorded}` once the log has them all: until then
 * they are the sender's to keep. The same prediction id again does no harm. Refused whole, with every refusal in `details.refused` as `{index, id, field, reason}`,
 * so that the sender can put those aside and send the rest. 404 when there is no such version, 409 `MR_INFERENCE_EDGE_DIGEST` when the export was made of other bytes,
 * 503 `MR_INFERENCE_LOADING` while it is not known which of the version's columns the deployment wants left out.
 */
export function edgePredictionRoutes(scope: FastifyInstance, options: EdgePredictionOptions): void {
  const origins = new Set(options.origins);
  // Also on what earlier hooks refuse: a page that may not read why it was refused would take it for a broken connection.
  scope.addHook('onSend', (request, reply, payload, done) => {
    allowOrigin(request, reply, origins);
    done(null, payload);
  });
  const asking = doc(
    'Tells a browser which pages may send predictions.',
    { answer: {}, statuses: { 204: 'In the headers.' } },
    { access: 'open' },
  );
  scope.options(PATH, asking, (_request, reply) => reply.code(204).send());
  const recording = {
    body: jsonOf(EDGE_UPLOAD),
    answer: jsonOf(EDGE_ANSWER),
    statuses: { 202: 'They are on the log.' },
    errors: { ...NO_VERSION, 409: 'The export was made of other bytes than the version has.' },
  };
  const sending = doc('Records what an exported model has answered.', recording, { origins });
  scope.post<{ Params: { model: string; version: string } }>(PATH, sending, async (request, reply) => {
    const upload = uploadOf(request.body);
    const version = await versionOf(request.params, upload, options);
    const predictions = predictionsOf(upload, version, options.maxElements);
    sendPosition(reply, await options.recorder.record(predictions, request.traceparent));
    return reply.code(202).send({ recorded: predictions.length });
  });
}

function uploadOf(body: unknown): EdgeUpload {
  const upload = parseUpload(body);
  if (!upload.ok) throw new ProblemError(400, 'MR_INFERENCE_EDGE_INVALID', sentence(upload), { field: upload.field });
  const { length } = upload.value.predictions;
  if (length > MAX_PREDICTIONS)
    throw new ProblemError(413, 'MR_INFERENCE_TOO_MANY_PREDICTIONS', `${length} predictions; send at most ${MAX_PREDICTIONS} a request`);
  return upload.value;
}

interface VersionOf {
  readonly name: string;
  readonly version: number;
  readonly digest: string | null;
}

async function versionOf(
  { model, version }: { model: string; version: string },
  { digest }: EdgeUpload,
  { resolve }: EdgePredictionOptions,
): Promise<VersionOf> {
  if (!/^[1-9]\d{0,8}$/.test(version))
    throw new ProblemError(400, 'MR_INFERENCE_INVALID', `version is ${JSON.stringify(version)}; versions are numbers from 1`);
  const resolved = await resolve(model, Number(version));
  if (!resolved.ok) throw new ProblemError(404, 'MR_INFERENCE_UNKNOWN_VERSION', resolved.reason);
  const registered = resolved.version.digest;
  if (digest !== null && registered !== null && digest !== registered) {
    const message = `the export was made of an artifact with the SHA-256 ${digest}; version ${version} of ${JSON.stringify(model)} has ${registered}`;
    throw new ProblemError(409, 'MR_INFERENCE_EDGE_DIGEST', message);
  }
  return { name: resolved.version.name, version: resolved.version.version, digest: registered };
}

function predictionsOf(upload: EdgeUpload, version: VersionOf, maxElements: number): PredictionMade[] {
  const predictions: PredictionMade[] = [];
  const refused: (FieldRefusal & { index: number; id: unknown })[] = [];
  for (const [index, value] of upload.predictions.entries()) {
    const parsed = parsePrediction(value, upload, version, maxElements);
    if (parsed.ok) predictions.push(parsed.value);
    else refused.push({ index, id: (value as { id?: unknown } | null)?.id ?? null, field: parsed.field, reason: parsed.reason });
  }
  const [first] = refused;
  if (!first) return predictions;
  const others = refused.length === 1 ? '' : `, and ${refused.length - 1} more`;
  const message = `prediction ${first.index}: ${sentence(first)}${others}`;
  throw new ProblemError(400, 'MR_INFERENCE_EDGE_INVALID', message, { refused: refused.slice(0, MAX_TOLD) });
}

function sentence({ field, reason }: FieldRefusal): string {
  return `${field} ${reason}`.trim();
}

function allowOrigin(request: FastifyRequest, reply: FastifyReply, origins: ReadonlySet<string>): void {
  void reply.header('vary', 'origin');
  const { origin } = request.headers;
  if (origin === undefined || !origins.has(origin)) return;
  void reply.header('access-control-allow-origin', origin);
  if (request.method !== 'OPTIONS') return;
  void reply.header('access-control-allow-methods', 'POST');
  void reply.header('access-control-allow-headers', 'authorization, content-type');
  void reply.header('access-control-max-age', String(PREFLIGHT_SECONDS));
}
