import { joinArtifactPath, MOST_PARTS, type ArtifactStore } from '@millrace/artifact-store';
import { Fields, invalid, MlflowError, safeArtifactPath, type FieldValues } from '@millrace/mlflow-protocol';
import { forwardedPrefix, isPrefix, whileAdmitted } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';

/** The body of a request about an upload; the parts themselves do not come this way. */
const MOST_BYTES = 4 << 20;
const SIGNED_SECONDS = 900;

/**
 * Files that a client sends in parts, several at a time. It is told a URL for each part: the store's own where that can sign one, this server's
 * otherwise. Registered in the artifact proxy's scope, where bodies are streams.
 */
export function registerMultipart(scope: FastifyInstance, store: ArtifactStore, prefix: string): void {
  const uploads = store.multipart;
  for (const step of ['create', 'complete', 'abort']) {
    for (const url of [`${prefix}/mpu/${step}`, `${prefix}/mpu/${step}/*`]) {
      scope.post(url, async (request, reply) => {
        const fields = new Fields(await bodyOf(request));
        const path = targetOf(request, fields);
        if (step === 'create') return json(reply, await create(store, request, prefix, path, fields.integer('num_parts') ?? 1));
        const uploadId = fields.requiredString('upload_id');
        if (step === 'abort') await uploads.abort(path, uploadId);
        else await uploads.complete(path, uploadId, fields.messages('parts').map(partOf));
        return json(reply, {});
      });
    }
  }
  scope.put(`${prefix}/mpu/part/*`, { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
    const { upload_id: uploadId, part_number: partNumber } = request.query as Record<string, unknown>;
    if (typeof uploadId !== 'string' || typeof partNumber !== 'string') throw invalid('upload_id and part_number are required.');
    const path = safeArtifactPath(wildcard(request));
    const etag = await whileAdmitted(request, reply, request.body as Readable, (body) =>
      uploads.putPart(path, uploadId, Number(partNumber), body),
    );
    return json(reply.header('etag', etag), {});
  });
  scope.get(`${prefix}/presigned/*`, async (request, reply) => {
    const path = safeArtifactPath(wildcard(request));
    const info = await store.stat(path);
    if (!info || info.isDirectory) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No such artifact: '${path}'`);
    return json(reply, { url: await signedUrl(store, 'GET', path, SIGNED_SECONDS), headers: {}, file_size: info.size });
  });
}

/** A URL by which a client reads or writes a file without this server, where the store has such URLs. */
export async function signedUrl(store: ArtifactStore, method: 'GET' | 'PUT', path: string, seconds: number): Promise<string> {
  if (!store.signedUrl) {
    // Clients know these beginnings and then go through the server.
    const what = method === 'GET' ? 'Presigned download' : 'Presigned upload';
    throw new MlflowError('NOT_IMPLEMENTED', `${what} is not supported for the current artifact repository, which keeps files on disk.`);
  }
  // Longer is refused by S3 only when the URL is used, and that is too late to tell.
  if (seconds < 1 || seconds > 604_800) throw invalid(`expiration must be between 1 and 604800 seconds (got ${seconds}).`);
  return store.signedUrl(method, path, seconds);
}

async function create(store: ArtifactStore, request: FastifyRequest, prefix: string, path: string, parts: number): Promise<object> {
  if (parts < 1 || parts > MOST_PARTS) throw invalid(`num_parts is ${parts}; it has to be from 1 to ${MOST_PARTS}.`);
  const uploads = store.multipart;
  const uploadId = await uploads.create(path);
  const here = `${originOf(request)}${prefix}/mpu/part/${path.split('/').map(encodeURIComponent).join('/')}?upload_id=${encodeURIComponent(uploadId)}`;
  const credentials: object[] = [];
  for (let number = 1; number <= parts; number++) {
    const url = (await uploads.partUrl?.(path, uploadId, number)) ?? `${here}&part_number=${number}`;
    credentials.push({ url, part_number: number, headers: {} });
  }
  return { upload_id: uploadId, credentials };
}

/** The directory is in the URL, the file's name is the end of the client's own path. */
function targetOf(request: FastifyRequest, fields: Fields): string {
  const name = fields.requiredString('path').split(/[/\\]/).at(-1) as string;
  const path = safeArtifactPath(joinArtifactPath(safeArtifactPath(wildcard(request)), name));
  if (path === '' || name === '') throw invalid('Invalid path');
  return path;
}

function partOf(fields: Fields): { partNumber: number; etag: string } {
  return { partNumber: fields.requiredInteger('part_number'), etag: fields.requiredString('etag') };
}

/** Where the client has reached us: a proxy in front says so, and below which path. */
function originOf(request: FastifyRequest): string {
  const first = (name: string) => (request.headers[name] as string | undefined)?.split(',')[0]?.trim();
  const below = forwardedPrefix(request.headers);
  if (!isPrefix(below)) throw invalid(`The header X-Forwarded-Prefix '${below.slice(0, 100)}' is no path, such as /mlflow.`);
  return `${first('x-forwarded-proto') ?? request.protocol}://${first('x-forwarded-host') ?? request.host}${below}`;
}

async function bodyOf(request: FastifyRequest): Promise<FieldValues> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw invalid(`The request body is larger than ${MOST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    const value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as FieldValues;
  } catch {
    // Told below, like any other body that is no object.
  }
  throw new MlflowError('BAD_REQUEST', 'The request body is not a JSON object.');
}

function wildcard(request: FastifyRequest): string {
  return (request.params as { '*'?: string })['*'] ?? '';
}

function json(reply: FastifyReply, body: object): FastifyReply {
  return reply.type('application/json').send(JSON.stringify(body));
}
