import { type ArtifactInfo, type ArtifactStore, joinArtifactPath } from '@millrace/artifact-store';
import {
  invalid,
  proxiedArtifactPath,
  safeArtifactPath,
  sendArtifactFile,
  sendMlflowError,
  type Fields,
  type MlflowRoute,
} from '@millrace/mlflow-protocol';
import { whileAdmitted } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { TrackingApi } from './context.js';
import { runNotFound } from './errors.js';
import { runIdOf } from './fields.js';
import { registerMultipart, signedUrl } from './multipart-routes.js';

const PROXY_PREFIXES = ['/api/2.0/mlflow-artifacts', '/ajax-api/2.0/mlflow-artifacts'];

const MOST_UPLOADED_BYTES = 10 << 20;
const SIGNED_SECONDS = 900;

/** `artifacts/list` of a run. */
export function runArtifactRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    {
      method: 'GET',
      path: 'artifacts/list',
      handle: async ({ fields }) => {
        const [runId, below] = [runIdOf(fields), fields.string('path') ?? ''];
        const { artifactUri, root } = await runArtifacts(api, runId);
        const children = await api.artifacts.list(joinArtifactPath(root, safeArtifactPath(below)));
        return { root_uri: artifactUri, files: children.map((child) => fileJson(child, child.path.slice(root.length + 1))) };
      },
    },
    { method: 'POST', path: 'artifacts/presigned-upload-url', handle: ({ fields }) => presigned(api, 'PUT', fields) },
    { method: 'POST', path: 'artifacts/presigned-download-url', handle: ({ fields }) => presigned(api, 'GET', fields) },
  ];
}

async function presigned(api: TrackingApi, method: 'GET' | 'PUT', fields: Fields): Promise<object> {
  const below = safeArtifactPath(fields.requiredString('path'));
  const { root } = await runArtifacts(api, runIdOf(fields));
  const seconds = fields.integer('expiration') ?? SIGNED_SECONDS;
  return { presigned_url: await signedUrl(api.artifacts, method, joinArtifactPath(root, below), seconds), headers: {} };
}

/**
 * Registers the proxied artifact store of MLflow's clients, and the UI's download link. Bodies stream in both directions, so a file's
 * size is the artifact store's affair alone.
 */
export function registerArtifactProxy(server: FastifyInstance, api: TrackingApi): void {
  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { bodyLimit: Number.MAX_SAFE_INTEGER }, (_request: FastifyRequest, body: Readable, done) =>
      done(null, body),
    );
    scope.setErrorHandler((error, request, reply) => sendMlflowError(error, request, reply, (defect, at) => api.onDefect(defect, at)));
    for (const prefix of PROXY_PREFIXES) {
      scope.get(`${prefix}/artifacts`, (request, reply) => list(api.artifacts, request, reply));
      scope.get(`${prefix}/artifacts/*`, (request, reply) => sendArtifactFile(api.artifacts, safeArtifactPath(wildcard(request)), reply));
      scope.put(`${prefix}/artifacts/*`, { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
        const path = safeArtifactPath(wildcard(request));
        const body = request.body as Readable | undefined;
        if (body) await whileAdmitted(request, reply, body, (guarded) => api.artifacts.put(path, guarded));
        else await api.artifacts.put(path, Buffer.alloc(0));
        return json(reply, {});
      });
      scope.delete(`${prefix}/artifacts/*`, async (request, reply) => {
        await api.artifacts.remove(safeArtifactPath(wildcard(request)));
        return json(reply, {});
      });
      registerMultipart(scope, api.artifacts, prefix);
    }
    for (const prefix of ['/api/2.0/mlflow', '/ajax-api/2.0/mlflow']) {
      scope.post(`${prefix}/upload-artifact`, (request, reply) => uploadOfUi(api, request, reply));
    }
    scope.get('/get-artifact', async (request, reply) => {
      const { run_id: runId, run_uuid: runUuid, path } = request.query as Record<string, unknown>;
      const id = runId ?? runUuid;
      if (typeof id !== 'string' || typeof path !== 'string' || path === '') throw invalid('run_id and path are required.');
      const below = safeArtifactPath(path);
      const { root } = await runArtifacts(api, id);
      return sendArtifactFile(api.artifacts, joinArtifactPath(root, below), reply);
    });
  });
}

/** A small file that MLflow's UI keeps with a run; its own bound holds, the proxy takes larger ones. */
async function uploadOfUi(api: TrackingApi, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { run_uuid: runId, path } = request.query as Record<string, unknown>;
  if (typeof runId !== 'string' || runId === '') throw invalid('Request must specify run_uuid.');
  if (typeof path !== 'string' || path === '') throw invalid('Request must specify path.');
  const below = safeArtifactPath(path);
  const size = Number(request.headers['content-length'] ?? Number.NaN);
  if (size > MOST_UPLOADED_BYTES) throw invalid('Artifact size is too large. Max size is 10MB.');
  const body = request.body as Readable | undefined;
  if (!body || size === 0) throw invalid('Request must specify data.');
  const { root } = await runArtifacts(api, runId);
  await whileAdmitted(request, reply, body, (guarded) => api.artifacts.put(joinArtifactPath(root, below), guarded));
  return json(reply, {});
}

async function list(store: ArtifactStore, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { path } = request.query as Record<string, unknown>;
  const directory = typeof path === 'string' ? safeArtifactPath(path) : '';
  const children = await store.list(directory);
  return json(reply, { files: children.map((child) => fileJson(child, child.path.slice(directory === '' ? 0 : directory.length + 1))) });
}

/** Where a run keeps its artifacts, if that is this server's store. */
export async function runArtifacts(api: TrackingApi, runId: string): Promise<{ artifactUri: string; root: string }> {
  await api.view.upToDate();
  const run = api.view.run(runId);
  if (!run) throw runNotFound(runId);
  const root = proxiedArtifactPath(run.artifactUri);
  if (root === undefined)
    throw invalid(`The artifacts of run ${runId} are at ${run.artifactUri}, outside this server's artifact store; read them there.`);
  return { artifactUri: run.artifactUri, root };
}

function wildcard(request: FastifyRequest): string {
  return (request.params as { '*': string })['*'];
}

export function fileJson(info: ArtifactInfo, path: string): object {
  return info.isDirectory ? { path, is_dir: true } : { path, is_dir: false, file_size: info.size };
}

function json(reply: FastifyReply, body: object): FastifyReply {
  return reply.type('application/json').send(JSON.stringify(body));
}
