import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { invalid } from '../../domain/refusal.js';

const decompress = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const compress = { gzip: promisify(gzip), deflate: promisify(deflate) };

export type Coding = keyof typeof compress;

/** Shorter bodies fit into the packet that is sent anyway. */
const SHORTEST_COMPRESSED = 1024;

/** The body behind its Content-Encoding. A body of more than `maxBytes` is refused with 413, before there is memory for it. */
export async function decodedBody(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body;
  const coding = encoding.toLowerCase();
  if (coding !== 'gzip' && coding !== 'deflate')
    throw invalid(`Content-Encoding ${JSON.stringify(encoding)} is not understood; send gzip, deflate or none`);
  try {
    return await decompress[coding](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw Object.assign(new Error(`the decompressed body is larger than ${maxBytes} bytes`), { statusCode: 413 });
    throw invalid(`the body cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How an answer of `bytes` is to be compressed for a client that sent this Accept-Encoding; `undefined`: not at all. */
export function codingFor(accepted: string | undefined, bytes: number): Coding | undefined {
  if (accepted === undefined || bytes < SHORTEST_COMPRESSED) return undefined;
  const offered = accepted
    .toLowerCase()
    .split(',')
    .map((item) => item.trim())
    .filter((item) => !/;\s*q=0(\.0*)?$/.test(item))
    .map((item) => item.split(';')[0]?.trim());
  return offered.includes('gzip') ? 'gzip' : offered.includes('deflate') ? 'deflate' : undefined;
}

/** Fast rather than small: tensors are mostly noise to a compressor. */
export function encodedBody(body: Buffer | string, coding: Coding): Promise<Buffer> {
  return compress[coding](body, { level: 1 });
}
