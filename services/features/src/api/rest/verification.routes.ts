import { parseEventTime, TIME_FORMS } from '@millrace/feature-engine';
import { jsonOf, ProblemError } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { VectorSelection } from '../../verification/served-vectors.js';
import type { VerificationReport } from '../../verification/scheduled-verification.js';
import type { Verification } from '../../verification/verify-served.js';
import { LAST_VERIFICATION_ANSWER, VERIFICATION_ANSWER } from './answers.js';
import { VERIFICATION_REQUEST } from './bodies.js';
import { doc } from './doc.js';

export interface VerificationRoutesOptions {
  readonly verify: (selection: VectorSelection) => Promise<Verification>;
  readonly last: () => VerificationReport | undefined;
  /** Whether a definition of that name is applied. */
  readonly isApplied: (kind: 'Deployment' | 'FeatureService', name: string) => boolean;
}

/** Which vectors a verification is of: a check of none is no proof of others. */
const VERIFIED =
  'features in answers of the gateway, and in reads over /get-online-features of feature services with a readLog; other reads are not on the log and not verified';

/**
 * `POST /api/v1/features/verify` `{deployment?, featureService?, from?, to?}`: recomputes served vectors from the offline store and counts those
 * that differ. Without a field, all vectors are meant; `of` says which they are. Times are of the answers, RFC 3339 or milliseconds.
 *
 * `GET /api/v1/features/verification`: what this process's last scheduled check found, `null` before the first.
 */
export function verificationRoutes(scope: FastifyInstance, { verify, last, isApplied }: VerificationRoutesOptions): void {
  scope.post(
    '/api/v1/features/verify',
    doc('Recomputes what was served from the offline store, and counts what differs.', {
      body: jsonOf(VERIFICATION_REQUEST),
      answer: jsonOf(VERIFICATION_ANSWER),
      errors: { 404: 'Nothing was served, and no such Deployment or FeatureService is applied.' },
    }),
    async (request) => {
      const selection = selectionOf(request.body ?? {});
      const found = await verify(selection);
      if (found.compared === 0 && Object.keys(found.unverifiable).length === 0) checkNames(selection, isApplied);
      return { ...found, of: VERIFIED };
    },
  );
  const showing = doc('What this process’s last scheduled check of served values found.', { answer: jsonOf(LAST_VERIFICATION_ANSWER) });
  scope.get('/api/v1/features/verification', showing, () => ({
    last: last() ?? null,
  }));
}

/** A misspelt name has no mismatches either. What is deleted may have answered, so only where nothing was found its name is looked at. */
function checkNames({ deployment, featureService }: VectorSelection, isApplied: VerificationRoutesOptions['isApplied']): void {
  for (const [field, kind, name] of [
    ['deployment', 'Deployment', deployment],
    ['featureService', 'FeatureService', featureService],
  ] as const)
    if (name !== undefined && !isApplied(kind, name))
      throw new ProblemError(
        404,
        'MR_FEATURES_VERIFICATION_UNKNOWN',
        `${field}: no ${kind} ${JSON.stringify(name)} is applied, and nothing was served by one in that time`,
      );
}

function selectionOf(body: unknown): VectorSelection {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('the body must be a JSON object');
  const { deployment, featureService, from, to, ...rest } = body as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw invalid(`there is no field ${unknown}; the fields are deployment, featureService, from and to`);
  return {
    deployment: name('deployment', deployment),
    featureService: name('featureService', featureService),
    from: time('from', from),
    to: time('to', to),
  };
}

function name(field: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(`${field} must be a name`);
  return value;
}

function time(field: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const parsed = parseEventTime(value);
  if (parsed === undefined) throw invalid(`${field} must be ${TIME_FORMS}`);
  return parsed;
}

function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_FEATURES_VERIFICATION_INVALID', message);
}
