import { jsonOf, ProblemError } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { Resolved } from '../../domain/registry/model-reference.js';
import type { VersionChecks } from '../../models/version-checks.js';
import { NO_VERSION, VERSION_CHECK_ANSWER } from './answers.js';
import { doc } from './doc.js';

export interface VersionCheckOptions {
  readonly checks: VersionChecks;
  /** Waits for the registry's decisions before it says that there is no such version: it may just have been registered. */
  readonly resolve: (model: string, version: number) => Promise<Resolved>;
}

/**
 * `GET /api/v1/serving/models/{model}/versions/{version}`: whether the gateway can serve a version, found out by loading it:
 * `{model, version, digest, servable: true, inputs, outputs, stripped, widened, place, runMs, warmUpError, mixesRows}` or `{..., servable: false, reason}`.
 * 404 when there is no such version.
 */
export function versionCheckRoutes(scope: FastifyInstance, { checks, resolve }: VersionCheckOptions): void {
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
}
