import type { Clock, Ids } from '@millrace/kernel';
import { jsonOf } from '../http/answer-schema.js';
import { APPLY_ANSWER, DELETED_ANSWER } from '../http/common-answers.js';
import { parsePosition, type Position } from '@millrace/kernel';
import {
  API_VERSION,
  applyDocuments,
  isKind,
  KINDS,
  resourceSubject,
  usersOf,
  type ApplyContext,
  type Kind,
  type Resource,
  type ResourceEvent,
  type ResourceRejection,
} from '@millrace/resources';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';
import { requireRole } from '../access/access-hook.js';
import { pageOf, type PageQuery } from '../http/paging.js';
import { ProblemError, rejectionToProblem } from '../http/problem.js';
import { awaitPosition, commandMetadata, sendPosition } from '../http/request.js';
import { AT_LEAST, commonDoc, PAGED } from '../http/route-doc.js';
import type { Resources } from '../log/resources.js';

export interface ResourceRoutesContext {
  readonly resources: Resources;
  readonly checkShape: ApplyContext['checkShape'];
  readonly clock: Clock;
  readonly ids: Ids;
}

const BAD_PAGE = { limit: 'MR_RESOURCES_LIMIT_INVALID', pageToken: 'MR_RESOURCES_PAGE_TOKEN_INVALID' } as const;
/** Users of a resource that a refusal names. */
const MOST_NAMED = 10;

/** The resources' REST, the same in every service: `/api/v1/apply` and `/api/v1/resources`. Bodies arrive as bytes, YAML or JSON. */
export function resourceRoutes(server: FastifyInstance, context: ResourceRoutesContext): void {
  const applying = commonDoc('Applies resources, all of them or none.', {
    description:
      'YAML or JSON, one or several documents or a list. A Policy takes the role admin. 422 has every problem in `details.problems`.',
    query: { dryRun: { type: 'boolean', description: '`true` only tells what would be done.' } },
    body: { 'application/yaml': 'Resources', 'application/json': 'Resources' },
    answer: jsonOf(APPLY_ANSWER),
    errors: { 409: 'It was changed at the same time.', 422: 'Nothing was applied; every problem is in `details.problems`.' },
  });
  server.post('/api/v1/apply', applying, (request, reply) => apply(context, request, reply));
  const listing = commonDoc('Lists the resources that are applied.', {
    query: { kind: 'Only those of a kind.', ...PAGED, ...AT_LEAST },
    answer: { 'application/json': 'ResourceList' },
  });
  server.get('/api/v1/resources', listing, async (request) => {
    await awaitPosition(request, context.resources.log);
    return list(context, request.query as PageQuery & { kind?: string });
  });
  const showing = commonDoc('Shows a resource as it could be applied again, and its version.', {
    query: { version: { type: 'integer', description: 'An earlier version; the current one unless given.' }, ...AT_LEAST },
    answer: { 'application/json': 'AppliedResource' },
    errors: { 404: 'There is no such resource, or no such version.' },
  });
  server.get('/api/v1/resources/:kind/:name', showing, async (request) => {
    await awaitPosition(request, context.resources.log);
    const { kind, name } = request.params as { kind: string; name: string };
    const { version } = request.query as { version?: string };
    return view(found(context, kindOf(kind), name, version));
  });
  const deleting = commonDoc('Deletes a resource that no other rests on.', {
    description: 'A Policy takes the role admin.',
    answer: jsonOf(DELETED_ANSWER),
    errors: { 404: 'There is no such resource.', 409: 'Others rest on it, which `detail` names.' },
  });
  server.delete('/api/v1/resources/:kind/:name', deleting, (request, reply) => remove(context, request, reply));
}

/** 200 with one line per document; 422 with every problem, and nothing applied. `?dryRun=true` only tells. */
async function apply(context: ResourceRoutesContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { resources, checkShape } = context;
  const dryRun = isDryRun(request.query as Record<string, unknown>);
  const text = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '';
  // What this request refers to may have been applied through another replica a moment ago.
  await resources.log.barrier();
  const handle: ApplyContext['handle'] = (subject, command, metadata) => resources.log.handle(subject, command, metadata);
  const sha256 = (value: string): string => createHash('sha256').update(value).digest('hex');
  const metadata = commandMetadata(request, context.clock, context.ids);
  const admit: ApplyContext['admit'] = ({ kind }) => requireRole(request, roleOf(kind));
  const result = await applyDocuments(text, metadata, { catalog: resources.catalog, checkShape, sha256, handle, admit }, dryRun);
  if (!result.ok) {
    const first = result.problems[0];
    const summary = `${result.problems.length} problem${result.problems.length === 1 ? '' : 's'}, nothing was applied: ${[first?.resource, first?.field, first?.message].filter((part) => part !== '').join(' ')}`;
    throw new ProblemError(422, 'MR_RESOURCES_INVALID', summary, { problems: result.problems });
  }
  sendPosition(
    reply,
    result.documents.flatMap(({ position }) => (position ? [parsePosition(position) as Position] : [])),
  );
  return { dryRun, documents: result.documents };
}

/** Whoever asks for a dry run in other words must not get a real one. */
function isDryRun({ dryRun = 'false', ...others }: Record<string, unknown>): boolean {
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw new ProblemError(400, 'MR_RESOURCES_REQUEST_INVALID', `${other} is not a parameter of apply; there is dryRun, true or false`);
  if (dryRun !== 'true' && dryRun !== 'false')
    throw new ProblemError(400, 'MR_RESOURCES_REQUEST_INVALID', `dryRun is ${JSON.stringify(dryRun)}; it is true or false`);
  return dryRun === 'true';
}

async function list({ resources: { catalog } }: ResourceRoutesContext, query: PageQuery & { kind?: string }): Promise<unknown> {
  const items = (): Resource[] => {
    const kinds = query.kind === undefined ? KINDS : [kindOf(query.kind)];
    return kinds.flatMap((kind) => catalog.list(kind) as Resource[]);
  };
  const { page, next } = await pageOf(query, {
    items,
    tokenOf,
    invalid: (message, field) => new ProblemError(400, BAD_PAGE[field], message),
  });
  return { resources: page.map(view), ...next };
}

/** 409 while another resource rests on it as it is applied now. */
async function remove(context: ResourceRoutesContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { kind: asked, name } = request.params as { kind: string; name: string };
  const kind = kindOf(asked);
  requireRole(request, roleOf(kind));
  // What uses it may have been applied through another replica a moment ago.
  await context.resources.log.barrier();
  const users = usersOf(context.resources.catalog, kind, name);
  if (users.length > 0) {
    const more = users.length - MOST_NAMED;
    const named = `${users.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    throw new ProblemError(
      409,
      'MR_RESOURCES_IN_USE',
      `${kind}/${name} is used by ${named}; delete or change ${users.length === 1 ? 'it' : 'them'} first`,
    );
  }
  const subject = resourceSubject(kind, name);
  const metadata = commandMetadata(request, context.clock, context.ids);
  const outcome = await context.resources.log.handle<ResourceEvent, ResourceRejection>(subject, { type: 'DeleteResource' }, metadata);
  if (outcome.kind === 'rejected') throw rejectionToProblem(outcome.rejection);
  sendPosition(reply, outcome.position);
  return outcome.kind === 'accepted' ? { kind, name, version: outcome.event.data.version, deleted: true } : { kind, name, deleted: true };
}

function found(context: ResourceRoutesContext, kind: Kind, name: string, version: string | undefined): Resource {
  if (version !== undefined && !/^[1-9]\d{0,9}$/.test(version))
    throw new ProblemError(400, 'MR_RESOURCES_VERSION_INVALID', 'version has to be a positive integer');
  const resource = context.resources.catalog.get(kind, name, version === undefined ? undefined : Number(version));
  if (!resource) {
    const what = version === undefined ? `${kind}/${name}` : `version ${version} of ${kind}/${name}`;
    throw new ProblemError(404, 'MR_RESOURCES_NOT_FOUND', `${what} does not exist; list what does with GET /api/v1/resources?kind=${kind}`);
  }
  return resource;
}

/** As it would be applied again, with what the platform knows of it under `status`. */
function view(resource: Resource): unknown {
  const { kind, name, labels, description, spec, version, hash } = resource;
  return {
    apiVersion: API_VERSION,
    kind,
    metadata: { name, labels, ...(description === null ? {} : { description }) },
    spec,
    status: { version, hash },
  };
}

function tokenOf(resource: Resource): string {
  return Buffer.from(`${resource.kind}/${resource.name}`).toString('base64url');
}

/** Who may define a policy may allow themselves whatever it governs, so that is an admin's. */
function roleOf(kind: string): 'admin' | 'editor' {
  return kind === 'Policy' ? 'admin' : 'editor';
}

/** Kinds are also found in lower case and plural, as people type them. */
function kindOf(text: string): Kind {
  const wanted = text.toLowerCase();
  const singular = wanted.replace(/ies$/, 'y');
  const kind = KINDS.find((one) => [wanted, singular, wanted.replace(/s$/, '')].includes(one.toLowerCase()));
  if (kind === undefined || !isKind(kind))
    throw new ProblemError(400, 'MR_RESOURCES_KIND_INVALID', `kind ${text} is not one of ${KINDS.join(', ')}`);
  return kind;
}
