import { ProblemError } from '@millrace/service';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** A body as it was before its sender compressed it, still as it comes in. Its limits are those of what comes out here. */
export function decodedBody(body: Readable, encoding: string | undefined): AsyncIterable<Buffer> {
  switch (encoding?.trim().toLowerCase() ?? 'identity') {
    case '':
    case 'identity':
      return body as AsyncIterable<Buffer>;
    case 'gzip':
    case 'x-gzip':
      return gunzipped(body);
    default:
      throw new ProblemError(
        415,
        'MR_FEATURES_MEDIA_TYPE',
        `content-encoding ${JSON.stringify(encoding)} is not gzip; send the body so, or as it is`,
      );
  }
}

async function* gunzipped(body: Readable): AsyncGenerator<Buffer> {
  // What it fails with is told by the loop.
  const plain = pipeline(body, createGunzip(), () => undefined);
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith('Z_')) throw error;
    throw new ProblemError(400, 'MR_FEATURES_EVENTS_MALFORMED', `the body is not gzip, or ends too early: ${(error as Error).message}`);
  }
}
