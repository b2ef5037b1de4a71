import {
  AT_LEAST,
  fieldsOf,
  jsonOf,
  PAGED,
  pageOf,
  ProblemError,
  publicPath,
  rejectionToProblem,
  type AccessRule,
  type BodySchema,
  type PageQuery,
} from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Written } from '../../commands/registry-commands.js';
import type { Promotion } from '../../domain/governance/governance.state.js';
import { cardMarkdown } from '../../queries/model-card.js';
import type { ModelView, VersionView } from '../../queries/registry-view.js';
import {
  APPROVAL,
  CHECK_RESULT,
  EVALUATION_REQUEST,
  PROMOTION,
  PROMOTION_REQUEST,
  REJECTION,
  ROLLBACK_REQUEST,
  WITHDRAWAL,
} from './bodies.js';
import type { GovernanceApi } from './context.js';
import {
  CARD_ANSWER,
  CHECKS_ANSWER,
  NO_MODEL,
  NO_PROMOTION,
  NO_VERSION,
  PROMOTION_ANSWER,
  PROMOTIONS_ANSWER,
  ROLLBACK_ANSWER,
} from './answers.js';
import { doc } from './doc.js';
import { badPage, invalid, numberIn, RequestFields } from './fields.js';
import { checkJson, promotionJson, statusAt } from './promotion-json.js';

const STATUSES = ['open', 'promoted', 'rejected', 'withdrawn', 'expired'];
const LISTED = { status: { description: 'Only those.', enum: STATUSES }, ...PAGED, ...AT_LEAST };

interface Params {
  readonly name: string;
  readonly number?: string;
  readonly version?: string;
}

/** What the rejections of our own REST are, beside what their codes' endings say. */
const REJECTIONS: Readonly<Record<string, number>> = { MR_REGISTRY_ACTOR_REQUIRED: 401, MR_REGISTRY_PROMOTION_UNGOVERNED: 422 };

/** Promotion requests, checks, rollback and cards: `/api/v1/models/{name}/...` and `/api/v1/promotions`. */
export function governanceRoutes(scope: FastifyInstance, api: GovernanceApi): void {
  const { commands, view } = api;
  const base = '/api/v1/models/:name';
  const paramsOf = (request: FastifyRequest): Params => request.params as Params;
  const show = (name: string, number: number): object => {
    const { registered } = modelOf(api, name);
    const state = view.governed(registered.modelId);
    const promotion = state.governance.promotions.get(number);
    if (!promotion)
      throw new ProblemError(404, 'MR_REGISTRY_PROMOTION_NOT_FOUND', `there is no promotion request ${number} of model ${name}`);
    return promotionJson(name, state, promotion, api.rules(name), api.now());
  };
  const done = (reply: FastifyReply, written: Written<unknown>): void => api.sendPosition(reply, valueOf(written).position);

  const all = doc('Lists the promotion requests of all models.', { query: LISTED, answer: jsonOf(PROMOTIONS_ANSWER) });
  scope.get('/api/v1/promotions', all, async (request) => {
    return promotionsOf(api, request, () => view.models());
  });
  const ofModel = doc('Lists the promotion requests of a model.', {
    query: LISTED,
    answer: jsonOf(PROMOTIONS_ANSWER),
    errors: NO_MODEL,
  });
  scope.get(`${base}/promotions`, ofModel, async (request) => {
    return promotionsOf(api, request, () => [modelOf(api, paramsOf(request).name)]);
  });
  scope.post(
    `${base}/promotions`,
    doc('Requests that a version gets a stage or an alias.', {
      body: jsonOf(PROMOTION_REQUEST),
      answer: jsonOf(PROMOTION_ANSWER),
      statuses: { 201: 'Requested, or promoted at once where nothing is missing.' },
      errors: { ...NO_VERSION, 409: 'It is there already, or another request is open.', 422: 'No policy governs where it is to go.' },
    }),
    async (request, reply) => {
      const { name } = paramsOf(request);
      const fields = new RequestFields(request.body, fieldsOf(PROMOTION_REQUEST));
      const promotion = {
        version: fields.requiredNumber('version'),
        target: fields.requiredTarget(),
        archiveOthers: fields.flag('archiveExisting') ?? null,
        reason: fields.text('reason') ?? '',
      };
      const { value, position } = valueOf(await commands.request(name, promotion, api.metadata(request)));
      api.sendPosition(reply, position);
      return reply
        .code(201)
        .header('location', publicPath(request, `/api/v1/models/${encodeURIComponent(name)}/promotions/${value}`))
        .send(show(name, value));
    },
  );
  const one = doc('Shows a promotion request.', { query: AT_LEAST, answer: jsonOf(PROMOTION_ANSWER), errors: NO_PROMOTION });
  scope.get(`${base}/promotions/:number`, one, async (request) => {
    const { name, number } = paramsOf(request);
    await api.upToDate(request);
    return show(name, numberIn(number, 'request'));
  });
  const about = (
    verb: string,
    summary: string,
    body: BodySchema,
    act: (name: string, number: number, fields: RequestFields, request: FastifyRequest) => Promise<Written<number>>,
    access: AccessRule = 'editor',
  ): void => {
    const errors = { ...NO_PROMOTION, 409: 'It is closed, or the rules do not allow it; `details` has what is unmet.' };
    const acting = doc(summary, { body: jsonOf(body), answer: jsonOf(PROMOTION_ANSWER), errors }, { access });
    scope.post(`${base}/promotions/:number/${verb}`, acting, async (request, reply) => {
      const { name, number: text } = paramsOf(request);
      const number = numberIn(text, 'request');
      done(reply, await act(name, number, new RequestFields(request.body, fieldsOf(body)), request));
      return show(name, number);
    });
  };
  about(
    'approve',
    'Approves a promotion request.',
    APPROVAL,
    (name, number, fields, request) => commands.approve(name, number, fields.text('comment') ?? '', api.metadata(request)),
    'approver',
  );
  about(
    'reject',
    'Rejects a promotion request, with a reason.',
    REJECTION,
    (name, number, fields, request) => commands.reject(name, number, fields.requiredText('reason'), api.metadata(request)),
    'approver',
  );
  about('withdraw', 'Withdraws a promotion request.', WITHDRAWAL, (name, number, fields, request) =>
    commands.withdraw(name, number, fields.text('reason') ?? '', api.metadata(request)),
  );
  about('promote', 'Carries out a promotion request that may be.', PROMOTION, (name, number, _fields, request) =>
    commands.promote(name, number, api.metadata(request)),
  );

  const checked = { answer: jsonOf(CHECKS_ANSWER), errors: NO_VERSION };
  const checks = doc('Lists the results of a version’s checks.', { query: AT_LEAST, ...checked });
  scope.get(`${base}/versions/:version/checks`, checks, async (request) => {
    await api.upToDate(request);
    return checksOf(api, versionOf(api, paramsOf(request)));
  });
  scope.post(
    `${base}/versions/:version/checks`,
    doc('Records the result of a check that was made elsewhere.', { body: jsonOf(CHECK_RESULT), ...checked }),
    async (request, reply) => {
      const params = paramsOf(request);
      const fields = new RequestFields(request.body, fieldsOf(CHECK_RESULT));
      const passed = fields.flag('passed');
      if (passed === undefined) throw invalid('passed', 'is missing: true or false');
      const check = {
        version: numberIn(params.version, 'version'),
        check: fields.requiredText('check', 100),
        passed,
        detail: fields.text('detail') ?? '',
        evidence: fields.evidence('evidence'),
        against: null,
      };
      done(reply, await commands.recordCheck(params.name, check, api.metadata(request)));
      return checksOf(api, versionOf(api, params));
    },
  );
  scope.post(
    `${base}/versions/:version/checks/evaluate`,
    doc('Makes the checks that a policy asks for.', {
      ...checked,
      body: jsonOf(EVALUATION_REQUEST),
      errors: { ...NO_VERSION, 422: 'No policy has a check of it that the registry makes itself.' },
    }),
    async (request, reply) => {
      const params = paramsOf(request);
      const target = new RequestFields(request.body, fieldsOf(EVALUATION_REQUEST)).target();
      done(reply, await commands.evaluate(params.name, numberIn(params.version, 'version'), target, api.metadata(request)));
      return checksOf(api, versionOf(api, params));
    },
  );
  scope.post(
    `${base}/rollback`,
    doc('Gives a stage or an alias back to an earlier version.', {
      body: jsonOf(ROLLBACK_REQUEST),
      answer: jsonOf(ROLLBACK_ANSWER),
      errors: { 404: 'There is no such model, or no version to go back to.', 409: 'It cannot be given back; `detail` says why.' },
    }),
    async (request, reply) => {
      const { name } = paramsOf(request);
      const fields = new RequestFields(request.body, fieldsOf(ROLLBACK_REQUEST));
      const asked = { target: fields.target() ?? null, to: fields.number('to') ?? null, reason: fields.text('reason') ?? '' };
      const written = valueOf(await commands.rollBack(name, asked, api.metadata(request)));
      api.sendPosition(reply, written.position);
      return rollbackJson(name, written.value);
    },
  );
  const showing = doc('The card of a version, as JSON or Markdown.', {
    query: { format: { description: 'As the header `Accept` says unless given.', enum: ['json', 'markdown'] }, ...AT_LEAST },
    answer: { ...jsonOf(CARD_ANSWER), 'text/markdown': 'text' },
    errors: NO_VERSION,
  });
  scope.get(`${base}/versions/:version/card`, showing, async (request, reply) => {
    await api.upToDate(request);
    const card = await api.card(versionOf(api, paramsOf(request)));
    const { format } = request.query as { format?: string };
    const accept = request.headers.accept ?? '';
    const isMarkdown = format === undefined ? accept.includes('text/markdown') : format === 'markdown';
    if (format !== undefined && format !== 'markdown' && format !== 'json') throw invalid('format', 'is json or markdown');
    return isMarkdown ? reply.type('text/markdown; charset=utf-8').send(cardMarkdown(card)) : card;
  });
}

export function modelOf(api: GovernanceApi, name: string): ModelView {
  const model = api.view.model(name);
  if (!model) throw new ProblemError(404, 'MR_REGISTRY_MODEL_NOT_FOUND', `there is no registered model ${name}`);
  return model;
}

export function versionOf(api: GovernanceApi, params: Params): VersionView {
  const number = numberIn(params.version, 'version');
  modelOf(api, params.name);
  const version = api.view.version(params.name, number);
  if (!version) throw new ProblemError(404, 'MR_REGISTRY_VERSION_NOT_FOUND', `model ${params.name} has no version ${number}`);
  return version;
}

/** The page of the models' promotion requests that is asked for. */
async function promotionsOf(api: GovernanceApi, request: FastifyRequest, models: () => Iterable<ModelView>): Promise<object> {
  const { status, ...query } = request.query as PageQuery & { status?: string };
  if (status !== undefined && !STATUSES.includes(status)) throw invalid('status', `is one of ${STATUSES.join(', ')}`);
  await api.upToDate(request);
  const now = api.now();
  const { page, next } = await pageOf(query, {
    items: () =>
      [...models()].flatMap(({ registered }) =>
        Array.from(api.view.governed(registered.modelId).governance.promotions.values(), (promotion) => ({ registered, promotion })),
      ),
    tokenOf,
    isWanted: ({ promotion }) => status === undefined || statusAt(promotion, now) === status,
    invalid: badPage,
  });
  const promotions = page.map(({ registered: { modelId, name }, promotion }) =>
    promotionJson(name, api.view.governed(modelId), promotion, api.rules(name), now),
  );
  return { promotions, ...next };
}

function tokenOf({ registered, promotion }: { registered: ModelView['registered']; promotion: Promotion }): string {
  return Buffer.from(`${registered.modelId}/${promotion.request}`).toString('base64url');
}

function checksOf(api: GovernanceApi, { registered, version }: VersionView): object {
  const results = api.view.governed(registered.modelId).governance.checks.get(version.version);
  return { model: registered.name, version: version.version, checks: [...(results?.values() ?? [])].map(checkJson) };
}

function rollbackJson(
  model: string,
  event: Extract<Awaited<ReturnType<GovernanceApi['commands']['rollBack']>>, { kind: 'written' }>['value'],
): object {
  if (event?.type === 'AliasAssigned')
    return { model, alias: event.data.alias, version: event.data.version, rolledBack: event.data.rollsBack ?? null };
  if (event?.type === 'VersionMoved')
    return { model, stage: event.data.to, version: event.data.version, rolledBack: event.data.rollsBack ?? null };
  throw new TypeError('a rollback is a move of a version or of an alias');
}

function valueOf<T>(written: Written<T>): Extract<Written<T>, { kind: 'written' }> {
  if (written.kind === 'rejected') throw rejectionToProblem(written.rejection, REJECTIONS);
  return written;
}
