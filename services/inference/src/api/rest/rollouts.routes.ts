import { isFault, type CommandMetadata, type Position } from '@millrace/kernel';
import { AT_LEAST, jsonOf, PAGED, pageOf, ProblemError, rejectionToProblem, sendPosition, type PageQuery } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RolloutDecision } from '../../queries/rollout-history.query.js';
import type { RolloutView } from '../../rollouts/rollout-view.js';
import { EXPLANATION_ANSWER, NO_ROLLOUT, ROLLOUT_ANSWER, ROLLOUTS_ANSWER } from './answers.js';
import { ROLLOUT_ACTION } from './bodies.js';
import { doc } from './doc.js';

const ACTIONS = {
  promote: { type: 'PromoteRollout', what: 'Promotes a rollout’s candidate at once.' },
  pause: { type: 'PauseRollout', what: 'Holds a rollout at its step.' },
  resume: { type: 'ResumeRollout', what: 'Lets a rollout that was paused go on.' },
  abort: { type: 'AbortRollout', what: 'Ends a rollout; the primary gets everything.' },
} as const;

export interface RolloutRoutesOptions {
  readonly list: () => readonly RolloutView[];
  readonly get: (name: string) => RolloutView | undefined;
  readonly history: (name: string) => Promise<readonly RolloutDecision[]>;
  readonly act: (
    name: string,
    type: (typeof ACTIONS)[keyof typeof ACTIONS]['type'],
    reason: string,
    metadata: CommandMetadata,
  ) => Promise<Position>;
  readonly metadata: (request: FastifyRequest) => CommandMetadata;
  /** Waits until what the request says must be passed is folded, and all that is on the log now. */
  readonly settled: (request: FastifyRequest) => Promise<void>;
}

type Named = { Params: { name: string }; Querystring: PageQuery };

const MAX_REASON = 1000;

/**
 * `GET /api/v1/rollouts` (paged by `limit` and `pageToken`) and `/{name}`: where each stands, with its gates as they are now.
 * `GET /{name}/explain`: every decision with the numbers it rested on, the oldest first.
 * `POST /{name}/promote|pause|resume|abort` `{reason?}`: decided at once, in force everywhere as soon as a replica has read it. 409 for a
 * rollout that has not begun or is over, and for the promotion of a candidate that could not answer. Shares are 0 to 1, times RFC 3339.
 */
export function rolloutRoutes(scope: FastifyInstance, options: RolloutRoutesOptions): void {
  const found = (name: string): RolloutView => {
    const rollout = options.get(name);
    if (!rollout)
      throw new ProblemError(404, 'MR_INFERENCE_ROLLOUT_NOT_FOUND', `there is no rollout ${JSON.stringify(name)}; apply it first`);
    return rollout;
  };

  scope.get<Named>(
    '/api/v1/rollouts',
    doc('Lists the rollouts and where each stands.', { query: { ...PAGED, ...AT_LEAST }, answer: jsonOf(ROLLOUTS_ANSWER) }),
    async (request) => {
      const items = async (): Promise<readonly RolloutView[]> => {
        await options.settled(request);
        return options.list();
      };
      const { page, next } = await pageOf(request.query, { items, tokenOf: ({ name }) => name, isInTokenOrder: true, invalid });
      return { rollouts: page.map(show), ...next };
    },
  );

  scope.get<Named>(
    '/api/v1/rollouts/:name',
    doc('Shows where a rollout stands, with its gates as they are now.', {
      query: AT_LEAST,
      answer: jsonOf(ROLLOUT_ANSWER),
      errors: NO_ROLLOUT,
    }),
    async (request) => {
      await options.settled(request);
      return show(found(request.params.name));
    },
  );

  scope.get<Named>(
    '/api/v1/rollouts/:name/explain',
    doc('Every decision of a rollout, with the numbers it rested on.', {
      query: AT_LEAST,
      answer: jsonOf(EXPLANATION_ANSWER),
      errors: NO_ROLLOUT,
    }),
    async (request) => {
      await options.settled(request);
      const rollout = found(request.params.name);
      const decisions = await options.history(rollout.name);
      return { ...show(rollout), decisions: decisions.map(({ time: at, ...decision }) => ({ ...decision, time: time(at) })) };
    },
  );

  for (const [action, { type, what }] of Object.entries(ACTIONS)) {
    const acting = doc(what, {
      body: jsonOf(ROLLOUT_ACTION),
      answer: jsonOf(ROLLOUT_ANSWER),
      errors: {
        404: 'There is no such rollout.',
        409: 'It has not begun, is over, or what is asked for is not possible as it stands.',
      },
    });
    scope.post<Named>(`/api/v1/rollouts/:name/${action}`, acting, async (request, reply) => {
      const { name } = request.params;
      try {
        sendPosition(reply, await options.act(name, type, reasonOf(request.body), options.metadata(request)));
      } catch (error) {
        if (isFault(error) && error.code.startsWith('MR_INFERENCE_ROLLOUT'))
          throw rejectionToProblem({ code: error.code, message: error.message });
        throw error;
      }
      return show(found(name));
    });
  }
}

function invalid(message: string): ProblemError {
  return new ProblemError(400, 'MR_INFERENCE_ROLLOUT_INVALID', message);
}

function reasonOf(body: unknown): string {
  if (body === undefined || body === null) return '';
  if (typeof body !== 'object' || Array.isArray(body)) throw invalid('the body must be a JSON object');
  const { reason = '', ...rest } = body as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(`there is no field ${unknown}; the field is reason`);
  if (typeof reason !== 'string' || reason.length > MAX_REASON) throw invalid(`reason must be a text of at most ${MAX_REASON} characters`);
  return reason;
}

function show({ name, state, version, plan, evidence, waitsFor }: RolloutView): object {
  const { status, run, arms, step, share, isConcluded, startedAt, stepSince, reason } = state;
  return {
    ...{ name, status: run === 0 ? 'waiting' : status, run, version, waitsFor },
    ...(plan
      ? { deployment: plan.deployment, candidate: plan.candidate, strategy: plan.strategy, steps: plan.steps, mirror: plan.mirror }
      : {}),
    ...(arms ? { arms } : {}),
    ...{ step, share, isConcluded, reason },
    ...(run === 0 ? {} : { startedAt: time(startedAt), stepSince: time(stepSince) }),
    evidence,
  };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
