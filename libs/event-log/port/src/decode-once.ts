import type { LogRecord } from './event-log.js';

/** Decoded records kept, by the bytes they were decoded from: what readers who are a few batches apart still meet. Up to twice as many are. */
const MOST_BYTES = 1024 * 1024;

/**
 * The same decoding, done once for all readers in a process that are given the same record: those of a local log share its newest
 * records. What is decoded is shared too and has to be left as it is.
 */
export function decodeOnce<D>(decode: (record: LogRecord) => D): (record: LogRecord) => D {
  // The older half is let go as a whole: a map that loses its oldest entry with each new one walks over the places of all that have gone.
  let newer = new Map<LogRecord, D>();
  let older = newer;
  let bytes = 0;
  return (record) => {
    const found = newer.get(record) ?? older.get(record);
    if (found !== undefined) return found;
    const decoded = decode(record);
    bytes += sizeOf(record);
    if (bytes > MOST_BYTES) {
      older = newer;
      newer = new Map();
      bytes = sizeOf(record);
    }
    newer.set(record, decoded);
    return decoded;
  };
}

/** A small record costs more than its bytes. */
function sizeOf({ value }: LogRecord): number {
  return value.length + 500;
}
