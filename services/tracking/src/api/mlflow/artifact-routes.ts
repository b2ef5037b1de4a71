import { type ArtifactInfo, type ArtifactStore, joinArtifactPath } from '@millrace/artifact-store';
import { invalid, MlflowError, proxiedArtifactPath, sendMlflowError, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import type { TrackingApi } from './context.js';
import { runNotFound } from './errors.js';
import { runIdOf } from './fields.js';

const PROXY_PREFIXES = ['/api/2.0/mlflow-artifacts', '/ajax-api/2.0/mlflow-artifacts'];

/** Types a browser may show are still sent as attachments: an artifact must not run as a page of this server. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  log: 'text/plain',
  md: 'text/plain',
  pdf: 'application/pdf',
  png: 'image/png',
  py: 'text/plain',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  webp: 'image/webp',
  yaml: 'text/plain',
  yml: 'text/plain',
};

/** `artifacts/list` of a run. */
export function runArtifactRoutes(api: TrackingApi): MlflowRoute[] {
  return [
    {
      method: 'GET',
      path: 'artifacts/list',
      handle: async ({ fields }) => {
        const [runId, below] = [runIdOf(fields), fields.string('path') ?? ''];
        const { artifactUri, root } = await runArtifacts(api, runId);
        const children = await api.artifacts.list(joinArtifactPath(root, artifactPathOf(below)));
        return { root_uri: artifactUri, files: children.map((child) => fileJson(child, child.path.slice(root.length + 1))) };
      },
    },
  ];
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
      scope.get(`${prefix}/artifacts/*`, (request, reply) => download(api.artifacts, artifactPathOf(wildcard(request)), reply));
      scope.put(`${prefix}/artifacts/*`, { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
        await api.artifacts.put(artifactPathOf(wildcard(request)), (request.body as Readable | undefined) ?? Buffer.alloc(0));
        return json(reply, {});
      });
      scope.delete(`${prefix}/artifacts/*`, async (request, reply) => {
        await api.artifacts.remove(artifactPathOf(wildcard(request)));
        return json(reply, {});
      });
      for (const step of ['create', 'complete', 'abort']) {
        scope.post(`${prefix}/mpu/${step}/*`, () => {
          throw new MlflowError(
            'NOT_IMPLEMENTED',
            'Multipart uploads are not needed here: uploads of any size are streamed; send the file with PUT.',
          );
        });
      }
    }
    scope.get('/get-artifact', async (request, reply) => {
      const { run_id: runId, run_uuid: runUuid, path } = request.query as Record<string, unknown>;
      const id = runId ?? runUuid;
      if (typeof id !== 'string' || typeof path !== 'string' || path === '') throw invalid('run_id and path are required.');
      const { root } = await runArtifacts(api, id);
      return download(api.artifacts, joinArtifactPath(root, artifactPathOf(path)), reply);
    });
  });
}

async function list(store: ArtifactStore, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { path } = request.query as Record<string, unknown>;
  const directory = typeof path === 'string' ? artifactPathOf(path) : '';
  const children = await store.list(directory);
  return json(reply, { files: children.map((child) => fileJson(child, child.path.slice(directory === '' ? 0 : directory.length + 1))) });
}

async function download(store: ArtifactStore, path: string, reply: FastifyReply): Promise<FastifyReply> {
  const info = await store.stat(path);
  if (!info || info.isDirectory) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No such artifact: '${path}'`);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const type = CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
  return reply
    .header('content-type', type)
    .header('content-length', info.size)
    .header('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(name)}`)
    .header('x-content-type-options', 'nosniff')
    .send(await store.get(path));
}

/** Where a run keeps its artifacts, if that is this server's store. */
async function runArtifacts(api: TrackingApi, runId: string): Promise<{ artifactUri: string; root: string }> {
  await api.view.upToDate();
  const run = api.view.run(runId);
  if (!run) throw runNotFound(runId);
  const root = proxiedArtifactPath(run.artifactUri);
  if (root === undefined)
    throw invalid(`The artifacts of run ${runId} are at ${run.artifactUri}, outside this server's artifact store; read them there.`);
  return { artifactUri: run.artifactUri, root };
}

/** Clients send a directory's path with or without a slash at its end. */
export function artifactPathOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed.split('/').some((segment) => segment === '..' || segment === '.') || /[\\\0]/.test(trimmed) || trimmed.startsWith('/')) {
    throw invalid('Invalid path');
  }
  return trimmed;
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
