import type { ArtifactStore } from '@millrace/artifact-store';
import type { FastifyReply } from 'fastify';
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
  const trimmed = path.replace(/\/+$/, '');
  const segments = decodedSafely(trimmed).split('/');
  if (segments.some((segment) => segment === '..' || segment === '.') || /[\\\0]/.test(trimmed) || trimmed.startsWith('/')) {
    throw invalid('Invalid path');
  }
  return trimmed;
}

/** Streams a file as an attachment. */
export async function sendArtifactFile(store: ArtifactStore, path: string, reply: FastifyReply): Promise<FastifyReply> {
  const info = await store.stat(path);
  if (!info || info.isDirectory) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `No such artifact: '${path}'`);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const type = CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream';
  // The plain name is for clients that know no other form; the encoded one is the name.
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const encoded = `; filename*=UTF-8''${encodeURIComponent(name)}`;
  return reply
    .header('content-type', type)
    .header('content-length', info.size)
    .header('content-disposition', `attachment; filename=${quotedIfNeeded(plain)}${plain === name ? '' : encoded}`)
    .header('x-content-type-options', 'nosniff')
    .send(await store.get(path));
}

/** A parameter of a header is quoted only where it is no token: some who read it compare it letter by letter. */
function quotedIfNeeded(name: string): string {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) ? name : `"${name}"`;
}
