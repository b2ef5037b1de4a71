import { joinArtifactPath, type ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata, Position } from '@millrace/kernel';
import { safeArtifactPath, sendArtifactFile } from '@millrace/mlflow-protocol';
import { filesOf, SINGLE_FILE, type PublicSigningKey } from '@millrace/model-signing';
import { AT_LEAST, jsonOf, ProblemError, rejectionToProblem } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Written } from '../../commands/registry-commands.js';
import { manifestOf, type Integrity } from '../../queries/integrity.query.js';
import type { RegistryView, VersionView } from '../../queries/registry-view.js';
import { BUNDLE_ANSWER, FILES_ANSWER, INTEGRITY_ANSWER, NO_VERSION, SIGNED_ANSWER, SIGNING_KEYS_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { numberIn } from './fields.js';
import { basename } from 'node:path';

export interface IntegrityApi {
  readonly view: RegistryView;
  readonly store: ArtifactStore;
  /** Public keys whose signatures are believed here. */
  readonly keys: readonly PublicSigningKey[];
  readonly verify: (version: VersionView) => Promise<Integrity>;
  readonly sign: (version: VersionView, metadata: CommandMetadata) => Promise<Written<unknown>>;
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, position: Position): void;
}

const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PEM = 'application/x-pem-file';

/** Manifests, files and verification of versions under `/api/v1/models/{name}/versions/{version}`, and the public keys under `/api/v1/signing-keys`. */
export function integrityRoutes(scope: FastifyInstance, api: IntegrityApi): void {
  const base = '/api/v1/models/:name/versions/:version';

  const keys = doc('Lists the public keys whose signatures are believed here.', { answer: jsonOf(SIGNING_KEYS_ANSWER) });
  scope.get('/api/v1/signing-keys', keys, async () => ({
    keys: api.keys.map(({ keyId, algorithm, pem }) => ({ keyId, algorithm, pem })),
  }));
  scope.get(
    '/api/v1/signing-keys/:keyId',
    doc('A public key, as PEM.', { answer: { [PEM]: 'text' }, errors: { 404: 'No such key is believed here.' } }),
    async (request, reply) => {
      const { keyId } = request.params as { keyId: string };
      const key = api.keys.find((one) => one.keyId === keyId);
      if (!key)
        throw new ProblemError(
          404,
          'MR_REGISTRY_SIGNING_KEY_NOT_FOUND',
          `no key ${keyId} is believed here; MILLRACE_TRUSTED_KEYS names those that are`,
        );
      return reply.type(PEM).send(key.pem);
    },
  );

  scope.get(
    `${base}/manifest`,
    doc('The signed manifest of a version.', {
      query: AT_LEAST,
      answer: { [BUNDLE]: BUNDLE_ANSWER },
      errors: { 404: 'There is no such version, or it is not signed.' },
    }),
    async (request, reply) => {
      const view = await versionIn(api, request);
      const manifest = await manifestOf(api.store, view);
      if (!manifest) throw unsigned(view);
      return reply.type(BUNDLE).send(manifest);
    },
  );
  const verifying = doc('Whether a version’s files are those that were signed.', {
    query: AT_LEAST,
    answer: jsonOf(INTEGRITY_ANSWER),
    errors: NO_VERSION,
  });
  scope.get(`${base}/verification`, verifying, async (request) => api.verify(await versionIn(api, request)));
  const elsewhere = { 409: 'Its files are outside this server’s store.' };
  const listing = doc('Lists the files of a version.', {
    query: AT_LEAST,
    answer: jsonOf(FILES_ANSWER),
    errors: { ...NO_VERSION, ...elsewhere },
  });
  scope.get(`${base}/files`, listing, async (request) => {
    const view = await versionIn(api, request);
    const root = rootOf(view);
    const files = await filesOf(api.store, root);
    return {
      model: view.registered.name,
      version: view.version.version,
      // The path of an only file, a dot, is one that URLs lose: it can be fetched by its name, too.
      files: files.map(({ name, info }) => ({ path: name, size: info.size, ...(name === SINGLE_FILE ? { name: basename(root) } : {}) })),
    };
  });
  const reading = doc('A file of a version.', {
    query: AT_LEAST,
    answer: { '*/*': 'bytes' },
    errors: { 404: 'There is no such version, or no such file of it.', ...elsewhere },
  });
  scope.get(`${base}/files/*`, reading, async (request, reply) => {
    const view = await versionIn(api, request);
    const root = rootOf(view);
    const path = (request.params as { '*': string })['*'];
    if (path === '') throw new ProblemError(400, 'MR_REGISTRY_REQUEST_INVALID', 'the path of a file is missing', { field: 'path' });
    const isOnly = path === SINGLE_FILE || (path === basename(root) && !(await api.store.stat(root))?.isDirectory);
    const file = isOnly ? root : joinArtifactPath(root, pathOfFile(path));
    const info = await api.store.stat(file);
    if (!info || info.isDirectory) throw noFile(view, path, info !== undefined);
    return sendArtifactFile(api.store, file, reply);
  });
  const signing = doc(
    'Signs a version with the registry’s key.',
    {
      body: {},
      answer: jsonOf(SIGNED_ANSWER),
      errors: { ...NO_VERSION, 409: 'The registry has no key, or its files are not to be signed.' },
    },
    { access: 'admin' },
  );
  scope.post(`${base}/sign`, signing, async (request, reply) => {
    const view = await versionIn(api, request);
    const written = await api.sign(view, api.metadata(request));
    if (written.kind === 'rejected') throw rejectionToProblem(written.rejection);
    api.sendPosition(reply, written.position);
    const { signature } = (await versionIn(api, request)).version;
    return { model: view.registered.name, version: view.version.version, keyId: signature?.keyId ?? null };
  });
}

async function versionIn(api: IntegrityApi, request: FastifyRequest): Promise<VersionView> {
  const { name, version } = request.params as { name: string; version: string };
  const number = numberIn(version, 'version');
  await api.upToDate(request);
  if (!api.view.model(name)) throw new ProblemError(404, 'MR_REGISTRY_MODEL_NOT_FOUND', `there is no registered model ${name}`);
  const found = api.view.version(name, number);
  if (!found) throw new ProblemError(404, 'MR_REGISTRY_VERSION_NOT_FOUND', `model ${name} has no version ${number}`);
  return found;
}

function pathOfFile(path: string): string {
  try {
    return safeArtifactPath(path);
  } catch {
    throw new ProblemError(400, 'MR_REGISTRY_REQUEST_INVALID', `${JSON.stringify(path)} is no path of a file below the version`, {
      field: 'path',
    });
  }
}

function noFile({ registered: { name }, version: { version } }: VersionView, path: string, isDirectory: boolean): ProblemError {
  const what = isDirectory
    ? `${JSON.stringify(path)} of version ${version} of ${name} is a directory`
    : `version ${version} of ${name} has no file ${JSON.stringify(path)}`;
  const list = `/api/v1/models/${encodeURIComponent(name)}/versions/${version}/files`;
  return new ProblemError(404, 'MR_REGISTRY_FILE_NOT_FOUND', `${what}; GET ${list} lists its files`);
}

function rootOf({ registered, version }: VersionView): string {
  if (version.artifactPath !== null) return version.artifactPath;
  const message = `the files of version ${version.version} of ${registered.name} are at ${version.source}, outside this server's artifact store; read them there`;
  throw new ProblemError(409, 'MR_REGISTRY_ARTIFACTS_ELSEWHERE', message);
}

function unsigned({ registered, version }: VersionView): ProblemError {
  const { signature } = version;
  const label = `version ${version.version} of ${registered.name}`;
  if (signature)
    return new ProblemError(404, 'MR_REGISTRY_MANIFEST_NOT_FOUND', `the manifest of ${label} is gone from ${signature.manifestPath}`);
  const message = `${label} is not signed; an admin signs it with POST /api/v1/models/${encodeURIComponent(registered.name)}/versions/${version.version}/sign, where the registry has a key (MILLRACE_SIGNING_KEY)`;
  return new ProblemError(404, 'MR_REGISTRY_VERSION_UNSIGNED', message);
}
