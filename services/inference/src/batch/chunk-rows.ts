import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import type { ArtifactStore } from '@millrace/artifact-store';
import { Fault } from '@millrace/kernel';
import { RowBinary, type OfflineStore } from '@millrace/offline-store';
import type { BatchChunkScored } from '../domain/batch-job/batch-job.events.js';
import { elementsOf, type Tensor } from '../domain/tensor/tensor.js';
import type { OutputColumn } from './check-columns.js';
import type { ScoredRow } from './score-rows.js';

/** The columns of the table chunks are read into. */
export function chunkTable(columns: readonly OutputColumn[]): string {
  const values = columns.map(({ type }, index) => `v${index} ${type}`);
  return `(${['__row UInt64', ...values, 'error Nullable(String)'].join(', ')}) ENGINE = MergeTree ORDER BY __row`;
}

/**
 * Scored rows, as ClickHouse's RowBinary has them: places, values, errors. The same values are the same bytes, and those of a chunk are the bytes of its
 * rows one after the other.
 */
export function encodeRows(columns: readonly OutputColumn[], from: number, rows: readonly ScoredRow[]): Buffer {
  const out = new RowBinary();
  for (const [index, row] of rows.entries()) {
    out.uint64(from + index);
    for (const [place, column] of columns.entries()) writeValue(out, column, row, place);
    if ('error' in row) {
      out.uint8(0);
      out.text(row.error);
    } else out.uint8(1);
  }
  return out.slice(0, out.length);
}

function writeValue(out: RowBinary, { isList }: OutputColumn, row: ScoredRow, place: number): void {
  if ('error' in row) {
    // A null, or a list of nothing.
    if (isList) out.length32(0);
    else out.uint8(1);
    return;
  }
  const tensor = row.outputs[place] as Tensor;
  const width = elementsOf(tensor.shape.slice(1));
  if (isList) out.length32(width);
  else out.uint8(0);
  const from = row.index * width;
  const { data } = tensor;
  if (Array.isArray(data)) for (let index = 0; index < width; index++) out.text(data[from + index] ?? '');
  else out.raw(new Uint8Array(data.buffer, data.byteOffset + from * data.BYTES_PER_ELEMENT, width * data.BYTES_PER_ELEMENT));
}

/**
 * Writes a chunk under a name made of its number and its content, so that what a decision names is never written over: not by this process
 * after a crash, and not by another one that scores the same chunk.
 */
export async function putChunk(
  artifacts: ArtifactStore,
  directory: string,
  chunk: number,
  rows: readonly ScoredRow[],
  encoded: Buffer,
): Promise<BatchChunkScored> {
  const sha256 = digestOf(encoded);
  const path = `${directory}/${String(chunk).padStart(6, '0')}-${sha256.slice(0, 16)}.rowbinary.zst`;
  const { size } = await artifacts.put(path, await promisify(zstdCompress)(encoded));
  return { chunk, rows: rows.length, failed: rows.filter((row) => 'error' in row).length, path, bytes: size, sha256 };
}

/** Brings a chunk into the table of {@link chunkTable}. */
export async function loadChunk(
  { store, artifacts }: { readonly store: OfflineStore; readonly artifacts: ArtifactStore },
  columns: readonly OutputColumn[],
  { chunk, path, sha256 }: BatchChunkScored,
  table: string,
): Promise<void> {
  const encoded = await promisify(zstdDecompress)(await buffer(await artifacts.get(path)));
  if (digestOf(encoded) !== sha256)
    throw new Fault(
      'MR_INFERENCE_BATCH_CHUNK',
      `chunk ${chunk} at ${path} is not what was decided; cancel the job and ask for it again`,
      false,
    );
  const names = ['__row', ...columns.map((_, index) => `v${index}`), 'error'];
  await store.insert(table, encoded, `${table}:${chunk}`, { format: 'RowBinary', columns: names });
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
