import type { Clock, CommandOutcome, Ids } from '@millrace/kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { jsonOf } from '../http/answer-schema.js';
import { KEY_ANSWER, KEYS_ANSWER, NEW_KEY_ANSWER, WHOAMI_ANSWER } from '../http/common-answers.js';
import { momentText } from '../http/moment.js';
import { pageOf, type PageQuery } from '../http/paging.js';
import { ProblemError, rejectionToProblem } from '../http/problem.js';
import { awaitPosition, commandMetadata, sendPosition } from '../http/request.js';
import { AT_LEAST, commonDoc, PAGED } from '../http/route-doc.js';
import type { Access } from './access.js';
import { KEY_REQUEST } from './bodies.js';
import { parseKeyRequest, type KeyRequest } from './key-request.js';
import { EVERY_WORKSPACE } from './identity.js';
import { isLive, KEYS, type ApiKey, type KeysRejection } from './domain/keys/keys.decider.js';
import type { KeysEvent } from './domain/keys/keys.events.js';

export interface AccessRoutesContext {
  readonly access: Access;
  readonly clock: Clock;
  readonly ids: Ids;
}

/** API keys over HTTP, the same in every service: `/api/v1/access/keys` for admins, `/api/v1/access/whoami` for everybody. */
export function accessRoutes(server: FastifyInstance, context: AccessRoutesContext): void {
  const { access, clock } = context;
  const asking = commonDoc('Who the credentials say you are, and your role.', { answer: jsonOf(WHOAMI_ANSWER) });
  server.get('/api/v1/access/whoami', asking, (request) => whoami(access, request));
  const listing = commonDoc('Lists the API keys, without their secrets.', {
    query: { ...PAGED, ...AT_LEAST },
    answer: jsonOf(KEYS_ANSWER),
  });
  server.get('/api/v1/access/keys', listing, async (request) => {
    const items = async (): Promise<readonly ApiKey[]> => {
      await awaitPosition(request, access.log);
      await access.log.barrier();
      return access.list();
    };
    const { page, next } = await pageOf(request.query as PageQuery, { items, tokenOf: ({ keyId }) => keyId, invalid: badPage });
    return { keys: page.map((key) => view(key, clock.now())), ...next };
  });
  const creating = commonDoc('Creates an API key; this answer alone shows it.', {
    body: jsonOf(KEY_REQUEST),
    answer: jsonOf(NEW_KEY_ANSWER),
    statuses: { 201: 'Created.' },
    errors: { 409: 'A key of that name is live, or an earlier request with the same `Idempotency-Key` has shown it.' },
  });
  server.post('/api/v1/access/keys', creating, (request, reply) =>
    create(context, parseKeyRequest(request.body, clock.now()), request, reply),
  );
  const revoking = commonDoc('Revokes an API key, by its id or name.', {
    query: { reason: 'Why.' },
    answer: jsonOf(KEY_ANSWER),
    errors: { 404: 'There is no such key.' },
  });
  server.delete('/api/v1/access/keys/:key', revoking, (request, reply) => revoke(context, request, reply));
}

function whoami({ isRequired, settings: { workspace } }: Access, { identity }: FastifyRequest): unknown {
  if (!identity) return { isRequired, workspace, actor: null, role: 'admin' };
  const { actor, role, by, keyId, expiresAt } = identity;
  return { isRequired, workspace, actor, role, by, keyId, expiresAt: momentText(by === 'key' ? expiresAt : null) };
}

/** 201 with the key, which is in this answer and nowhere else. */
async function create({ access, clock, ids }: AccessRoutesContext, asked: KeyRequest, request: FastifyRequest, reply: FastifyReply) {
  const metadata = commandMetadata(request, clock, ids);
  const { key, ...drafted } = access.draft(metadata.commandId, ids);
  const workspace = asked.workspace ?? access.settings.workspace;
  requireWorkspace(access, request, workspace);
  const command = { type: 'CreateKey', ...drafted, ...asked, workspace } as const;
  const outcome: CommandOutcome<KeysEvent, KeysRejection> = await access.log.handle(KEYS, command, metadata);
  if (outcome.kind === 'rejected') throw rejectionToProblem(outcome.rejection);
  const created = access.list().find(({ keyId }) => keyId === drafted.keyId);
  if (outcome.kind !== 'accepted' || outcome.repeated || !created) {
    const message = `the key ${drafted.keyId} was created by an earlier request, and only its answer showed it; revoke it and create another`;
    throw new ProblemError(409, 'MR_ACCESS_KEY_SHOWN_ALREADY', message, { keyId: drafted.keyId });
  }
  sendPosition(reply, outcome.position);
  return reply
    .code(201)
    .header('cache-control', 'no-store')
    .send({ ...view(created, metadata.now), key });
}

async function revoke({ access, clock, ids }: AccessRoutesContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { key: named } = request.params as { key: string };
  const { reason } = request.query as { reason?: string };
  const metadata = commandMetadata(request, clock, ids);
  await access.log.barrier();
  const found = access.list();
  const key = found.find(({ keyId }) => keyId === named) ?? found.find((one) => one.name === named && isLive(one, metadata.now));
  if (!key) throw new ProblemError(404, 'MR_ACCESS_KEY_NOT_FOUND', `there is no key ${named}; list them with GET /api/v1/access/keys`);
  requireWorkspace(access, request, key.workspace);
  const command = { type: 'RevokeKey', keyId: key.keyId, reason: reason ?? null } as const;
  const outcome: CommandOutcome<KeysEvent, KeysRejection> = await access.log.handle(KEYS, command, metadata);
  if (outcome.kind === 'rejected') throw rejectionToProblem(outcome.rejection);
  sendPosition(reply, outcome.position);
  return view(access.list().find(({ keyId }) => keyId === key.keyId) ?? key, metadata.now);
}

/**
 * Keys of all workspaces of a log are in one catalog: an admin of one of them could otherwise let themselves into the others, or lock
 * their people out.
 */
function requireWorkspace({ settings }: Access, { identity }: FastifyRequest, workspace: string): void {
  if (!identity || identity.workspace === EVERY_WORKSPACE || workspace === settings.workspace) return;
  const { actor } = identity;
  const where = workspace === EVERY_WORKSPACE ? 'every workspace' : `workspace ${workspace}`;
  const message = `${actor} is admin of workspace ${identity.workspace} alone; keys of ${where} are given and revoked by an admin of every workspace (--workspace '*')`;
  throw new ProblemError(403, 'MR_ACCESS_WORKSPACE_FORBIDDEN', message, { actor, workspace });
}

/** A key as people see it: no hash. */
function view(key: ApiKey, now: number): object {
  const { keyId, name, actor, workspace, role, createdAt, createdBy, expiresAt, revoked } = key;
  return {
    ...{ keyId, name, actor, workspace, role, createdAt: momentText(createdAt), createdBy, expiresAt: momentText(expiresAt) },
    state: revoked ? 'revoked' : isLive(key, now) ? 'live' : 'expired',
    ...(revoked ? { revokedAt: momentText(revoked.at), revokedBy: revoked.by, reason: revoked.reason } : {}),
  };
}

function badPage(message: string): ProblemError {
  return new ProblemError(400, 'MR_ACCESS_REQUEST_INVALID', message);
}
