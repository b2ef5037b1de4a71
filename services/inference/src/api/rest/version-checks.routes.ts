import { jsonOf, ProblemError } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { Resolved } from '../../domain/registry/model-reference.js';
import { isRefusal } from '../../domain/refusal.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { VersionChecks } from '../../models/version-checks.js';
import { departureOf } from '../departure.js';
import { OIP_STATUS } from '../oip/errors.js';
import { parseInferRequest } from '../oip/infer-request.js';
import { answerParameters, encodeInferResponse } from '../oip/infer-response.js';
import { NO_VERSION, TRIAL_ANSWER, VERSION_CHECK_ANSWER } from './answers.js';
import { TRIAL_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface VersionCheckOptions {
  readonly checks: VersionChecks;
  readonly gateway: Pick<Gateway, 'infer'>;
  /** Waits for the registry's decisions before it says that there is no such version: it may just have been registered. */
  readonly resolve: (model: string, version: number) => Promise<Resolved>;
}

/**
 * `GET /api/v1/serving/models/{model}/versions/{version}`: whether the gateway can serve a version, found out by loading it:
 * `{model, version, digest, servable: true, inputs, outputs, stripped, widened, place, runMs, warmUpError, mixesRows}` or `{..., servable: false, reason}`.
 * 404 when there is no such version. `POST .../try` asks it, as the Open Inference Protocol does, whether a policy has admitted it to serving or not: checks
 * are made before a promotion. It takes an editor, as recording what a check has found does, and is no way to serve.
 */
export function versionCheckRoutes(scope: FastifyInstance, { checks, gateway, resolve }: VersionCheckOptions): void {
  const checking = doc('Whether the gateway can serve a version, found out by loading it.', {
    answer: jsonOf(VERSION_CHECK_ANSWER),
    errors: NO_VERSION,
  });
  scope.get<{ Params: { model: string; version: string } }>(
    '/api/v1/serving/models/:model/versions/:version',
    checking,
    async ({ params }) => {
      if (!/^[1-9]\d{0,8}$/.test(params.version))
        throw new ProblemError(400, 'MR_INFERENCE_INVALID', `version is ${JSON.stringify(params.version)}; versions are numbers from 1`);
      const resolved = await resolve(params.model, Number(params.version));
      if (!resolved.ok) throw new ProblemError(404, 'MR_INFERENCE_UNKNOWN_VERSION', resolved.reason);
      return checks.of(resolved.version);
    },
  );
  const trying = doc('Asks a version, also one that a policy has not admitted to serving yet.', {
    body: jsonOf(TRIAL_REQUEST),
    answer: jsonOf(TRIAL_ANSWER),
    errors: { ...NO_VERSION, 400: 'The request is not what the model takes.', 503: 'It cannot be loaded, or not yet.' },
  });
  scope.post<{ Params: { model: string; version: string } }>(
    '/api/v1/serving/models/:model/versions/:version/try',
    trying,
    async ({ params, body, traceparent }, reply) => {
      try {
        const asked = parseInferRequest(Buffer.isBuffer(body) ? body : Buffer.alloc(0), undefined);
        const { id, parameters, inputs, outputs } = asked;
        const answer = await gateway.infer({
          ...{ name: params.model, version: params.version, isTrial: true, id, parameters, inputs, traceparent },
          outputs: outputs?.map((output) => output.name),
          signal: departureOf(reply),
        });
        const response = {
          ...{ modelName: params.model, modelVersion: String(answer.model.version.version), id: id ?? answer.predictionId },
          parameters: answerParameters(answer.predictionId, answer.variants),
          outputs: answer.outputs,
        };
        return await reply.header('content-type', 'application/json').send(encodeInferResponse(response, () => false).body);
      } catch (error) {
        if (isRefusal(error)) throw new ProblemError(OIP_STATUS[error.code], error.code, error.message);
        throw error;
      }
    },
  );
}
