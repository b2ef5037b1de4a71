import type { ArtifactStore } from '@millrace/artifact-store';
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { byteRangeOf } from './byte-range.js';
import { decodedSafely } from './decoded.js';
import { invalid, MlflowError } from './mlflow-error.js';

/** Types a browser may show are still sent as attachments: an artifact must not run as a page of this server. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  log: 'text/plain',
  md: 'text/plain',
  mlmodel: 'text/plain',
  mlproject: 'text/plain',
  pdf: 'application/pdf',
  png: 'image/png',
  py: 'text/plain',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  webp: 'image/webp',
  yaml: 'text/plain',
  yml: 'text/plain',
};

/** A path as a client gives it, safe to be joined to a root. A directory's may have a slash at its end. */
export function safeArtifactPath(path: string): string {
  // Before slashes at the end are cut: "/" is no name of the place it is joined to.
  if (path.startsWith('/') || path.includes('\0')) throw invalid('Invalid path');
  const trimmed = path.replace(/\/+$/, '');
  if (
    decodedSafely(trimmed)
      .split(/[/\\]/)
      .some((segment) => segment === '..' || segment === '.')
  )
    throw invalid('Invalid path');
  if (trimmed.includes('\\')) {
    throw invalid(
      `Invalid path: the name '${trimmed.slice(0, 250)}' holds a backslash, which parts folders on some systems; rename the file.`,
    );
  }
  return trimmed;
}

/** Streams a file as an attachment, or the part of it that the request asks for. */
export async function sendArtifactFile(store: ArtifactStore, path: string, reply: FastifyReply): Promise<FastifyReply> {
  const info = await store.stat(path);
  if (!info || info.isDirectory) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No such artifact: '${path}'`);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const type = CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
  // The plain name is for clients that know no other form; the encoded one is the name.
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const encoded = `; filename*=UTF-8''${encodeURIComponent(name)}`;
  const { method, headers } = reply.request;
  const isHead = method === 'HEAD';
  // A file has no mark to tell one state of it from another, so what `If-Range` names is never known to be the same.
  const asked = isHead || headers['if-range'] !== undefined ? 'whole' : byteRangeOf(headers.range, info.size);
  void reply.header('accept-ranges', 'bytes');
  if (asked === 'none') {
    const message = `No byte of the ${info.size} bytes of '${path}' is in the range '${headers.range ?? ''}'.`;
    const error = { error_code: 'INVALID_PARAMETER_VALUE', message };
    return reply.code(416).header('content-range', `bytes */${info.size}`).type('application/json').send(JSON.stringify(error));
  }
  const range = asked === 'whole' ? undefined : asked;
  if (range) void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${info.size}`);
  return reply
    .header('content-type', type)
    .header('content-length', range ? range.end - range.start + 1 : info.size)
    .header('content-disposition', `attachment; filename=${quotedIfNeeded(plain)}${plain === name ? '' : encoded}`)
    .header('x-content-type-options', 'nosniff')
    .send(isHead ? Readable.from([]) : await store.get(path, range));
}

/** A parameter of a header is quoted only where it is no token: some who read it compare it letter by letter. */
function quotedIfNeeded(name: string): string {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) ? name : `"${name}"`;
}
