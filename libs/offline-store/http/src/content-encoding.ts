import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { ClickHouseError } from './clickhouse-error.js';

export type Encoding = 'gzip' | 'deflate' | 'br' | 'zstd' | 'lz4';

interface Codec {
  encode(bytes: Buffer, level: number): Promise<Buffer>;
  decode(bytes: Buffer, maxBytes: number): Promise<Buffer>;
}

const decodeWith =
  (decode: (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>) =>
  (bytes: Buffer, maxOutputLength: number): Promise<Buffer> =>
    decode(bytes, { maxOutputLength });

/** LZ4 expands 255 times at most and its library takes no bound, so the bound is on what goes in. */
const LZ4_INPUT_SHARE = 16;

const CODECS: Record<Encoding, Codec> = {
  gzip: { encode: (bytes, level) => promisify(zlib.gzip)(bytes, { level }), decode: decodeWith(promisify(zlib.gunzip)) },
  deflate: { encode: (bytes, level) => promisify(zlib.deflate)(bytes, { level }), decode: decodeWith(promisify(zlib.inflate)) },
  br: {
    encode: (bytes, level) => promisify(zlib.brotliCompress)(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level } }),
    decode: decodeWith(promisify(zlib.brotliDecompress)),
  },
  zstd: {
    encode: (bytes, level) => promisify(zlib.zstdCompress)(bytes, { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } }),
    decode: decodeWith(promisify(zlib.zstdDecompress)),
  },
  lz4: {
    encode: (bytes) => compressFrame(bytes),
    decode: async (bytes, maxBytes) => {
      if (bytes.length > maxBytes / LZ4_INPUT_SHARE) throw tooLarge(maxBytes);
      return decompressFrame(bytes);
    },
  },
};

/** ClickHouse's order of preference, as far as we speak it. */
const PREFERENCE: readonly Encoding[] = ['br', 'lz4', 'gzip', 'deflate', 'zstd'];

/** The encoding of a reply: the first of ours that the client accepts. */
export function acceptedEncoding(acceptEncoding: string | undefined): Encoding | undefined {
  const accepted = new Set((acceptEncoding ?? '').split(',').map((entry) => entry.split(';')[0]?.trim().toLowerCase()));
  return PREFERENCE.find((encoding) => accepted.has(encoding));
}

export function encode(bytes: Buffer, encoding: Encoding, level: number): Promise<Buffer> {
  return CODECS[encoding].encode(bytes, level);
}

/** A request's body without its `Content-Encoding`. */
export async function decode(bytes: Buffer, contentEncoding: string | undefined, maxBytes: number): Promise<Buffer> {
  const name = (contentEncoding ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return bytes;
  const codec = CODECS[name as Encoding] as Codec | undefined;
  if (!codec) throw new ClickHouseError(48, 'NOT_IMPLEMENTED', `Content-Encoding ${JSON.stringify(name)} is not supported`);
  try {
    return await codec.decode(bytes, maxBytes);
  } catch (error) {
    if (error instanceof ClickHouseError) throw error;
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new ClickHouseError(271, 'CANNOT_DECOMPRESS', `the body is not ${name}`);
  }
}

function tooLarge(maxBytes: number): ClickHouseError {
  return new ClickHouseError(223, 'QUERY_IS_TOO_LARGE', `the body is over ${maxBytes} bytes`);
}
