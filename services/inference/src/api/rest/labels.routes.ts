import { jsonOf, ProblemError, sendPosition } from '@millrace/service';
import type { Clock } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';
import type { LabelRecorder, NewLabel } from '../../gateway/label-recorder.js';
import type { LabelTargets } from '../../queries/label-targets.js';
import { LABELS_ANSWER } from './answers.js';
import { LABEL } from './bodies.js';
import { doc } from './doc.js';
import { parseLabel } from './parse-label.js';
import { parseLines } from './parse-lines.js';

/** Labels of one request at most. */
const MAX_LABELS = 10_000;

/** `POST /api/v1/deployments/{d}/labels`: NDJSON or a JSON array of `{predictionId | unit + predictedAt, value, time?, name?, row?, id?}`. */
export function labelRoutes(
  scope: FastifyInstance,
  options: { recorder: LabelRecorder; targets: Pick<LabelTargets, 'warningOf'>; clock: Clock },
): void {
  const sending = doc('Records what became of predictions.', {
    body: { 'application/json': { type: 'array', items: LABEL, maxItems: MAX_LABELS }, 'application/x-ndjson': 'text' },
    answer: jsonOf(LABELS_ANSWER),
    statuses: { 202: 'They are on the log.' },
  });
  scope.post<{ Params: { deployment: string } }>('/api/v1/deployments/:deployment/labels', sending, async (request, reply) => {
    const values = parseLines(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0));
    if (values.length > MAX_LABELS)
      throw new ProblemError(413, 'MR_INFERENCE_TOO_MANY_LABELS', `${values.length} labels; send at most ${MAX_LABELS} a request`);
    const now = options.clock.now();
    const labels: NewLabel[] = values.map((value, index) => {
      const parsed = parseLabel(request.params.deployment, value, now);
      if (!parsed.ok) throw new ProblemError(400, 'MR_INFERENCE_LABEL_INVALID', `label ${index}: ${parsed.reason}`);
      return parsed;
    });
    const positions = await options.recorder.record(labels, request.traceparent);
    sendPosition(
      reply,
      positions.map((position) => position),
    );
    const warning = await options.targets.warningOf(request.params.deployment);
    return reply.code(202).send({ recorded: labels.length, ...(warning === undefined ? {} : { warnings: [warning] }) });
  });
}
