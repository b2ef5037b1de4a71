import type { LogRecord } from '@millrace/event-log';

interface Segment {
  readonly base: number;
  readonly records: readonly LogRecord[];
  readonly bytes: number;
}

/** What a record costs in memory beside its bytes. */
const OVERHEAD = 250;

/**
 * The newest records of one partition, kept as they were committed so that readers who are caught up share them and read nothing
 * from disk. Bounded in bytes; the oldest go first, and a reader that needs them reads the disk.
 */
export class RecentRecords {
  #segments: Segment[] = [];
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  add(base: number, records: readonly LogRecord[], bytes: number): void {
    const last = this.#segments.at(-1);
    if (last && last.base + last.records.length !== base) this.clear();
    const segment = { base, records, bytes: bytes + records.length * OVERHEAD };
    this.#segments.push(segment);
    this.#bytes += segment.bytes;
    let surplus = 0;
    while (this.#bytes > this.maxBytes && surplus < this.#segments.length) this.#bytes -= (this.#segments[surplus++] as Segment).bytes;
    if (surplus > 0) this.#segments.splice(0, surplus);
  }

  /** Records from `from` on within the limits, at least one; `undefined` when they are not here. */
  take(from: number, maxRecords: number, maxBytes: number): readonly LogRecord[] | undefined {
    let at = this.#segments.length - 1;
    while (at >= 0 && (this.#segments[at] as Segment).base > from) at--;
    const first = this.#segments[at];
    if (!first || from >= first.base + first.records.length) return undefined;
    if (from === first.base && at === this.#segments.length - 1 && first.records.length <= maxRecords && first.bytes <= maxBytes) {
      return first.records;
    }
    const records: LogRecord[] = [];
    let bytes = 0;
    for (; at < this.#segments.length; at++) {
      const segment = this.#segments[at] as Segment;
      for (let index = Math.max(0, from - segment.base); index < segment.records.length; index++) {
        const record = segment.records[index] as LogRecord;
        bytes += record.value.length + (record.key?.length ?? 0);
        if (records.length === maxRecords || (records.length > 0 && bytes > maxBytes)) return records;
        records.push(record);
      }
    }
    return records;
  }

  /** Lets go of what lies before an offset: kept longer, records outlive the collector's young generation, and what dies there stops the process. */
  forget(before: number): void {
    let read = 0;
    for (; read < this.#segments.length; read++) {
      const { base, records, bytes } = this.#segments[read] as Segment;
      if (base + records.length > before) break;
      this.#bytes -= bytes;
    }
    if (read > 0) this.#segments.splice(0, read);
  }

  clear(): void {
    this.#segments = [];
    this.#bytes = 0;
  }
}
