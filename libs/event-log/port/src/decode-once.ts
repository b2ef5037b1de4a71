import type { LogRecord } from './event-log.js';

/** Decoded records kept, by the bytes they were decoded from: what readers who are a few batches apart still meet. */
const MOST_BYTES = 1024 * 1024;

/**
 * The same decoding, done once for all readers in a process that are given the same record: those of a local log share its newest
 * records. What is decoded is shared too and has to be left as it is.
 */
export function decodeOnce<D>(decode: (record: LogRecord) => D): (record: LogRecord) => D {
  const known = new Map<LogRecord, D>();
  let bytes = 0;
  return (record) => {
    const found = known.get(record);
    if (found !== undefined) return found;
    const decoded = decode(record);
    known.set(record, decoded);
    bytes += sizeOf(record);
    for (const oldest of known.keys()) {
      if (bytes <= MOST_BYTES) break;
      known.delete(oldest);
      bytes -= sizeOf(oldest);
    }
    return decoded;
  };
}

/** A small record costs more than its bytes. */
function sizeOf({ value }: LogRecord): number {
  return value.length + 500;
}
