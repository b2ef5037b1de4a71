import type { EventLog } from '@millrace/event-log';
import { refuseLogBehind, type LogReader } from './log-behind.js';

/** How far a reader still is from where the log ended when the reader started. Reached once per partition, reached for good. */
export class CatchUp {
  readonly #goals: Map<number, number>;

  private constructor(goals: Map<number, number>) {
    this.#goals = goals;
  }

  /** A log that ends before where the reader starts is refused. `from` says where the reader starts: a partition it has read to the end already gets no batch that would say so. */
  static async start(
    log: EventLog,
    topic: string,
    reader: LogReader,
    from: (partition: number) => number | Promise<number> = () => 0,
  ): Promise<CatchUp> {
    const [begins, ends] = await Promise.all([log.begin(topic), log.end(topic)]);
    const goals = new Map<number, number>();
    const starts = await Promise.all(ends.map(async (_, partition) => from(partition)));
    await refuseLogBehind(log, topic, reader, new Map(starts.entries()));
    for (const [partition, end] of ends.entries()) {
      // A partition whose records have all expired holds nothing to catch up with.
      if (end > (begins[partition] ?? 0) && end > (starts[partition] ?? 0)) goals.set(partition, end);
    }
    return new CatchUp(goals);
  }

  passed(partition: number, nextOffset: number): void {
    const goal = this.#goals.get(partition);
    if (goal !== undefined && nextOffset >= goal) this.#goals.delete(partition);
  }

  /** What is missing in words; nothing when this reader's partitions are done. Partitions of another process are that one's to wait for. */
  missing(assigned: readonly number[]): string | undefined {
    const open = assigned.filter((partition) => this.#goals.has(partition));
    if (open.length === 0) return undefined;
    return `catching up: ${open.map((partition) => `partition ${partition} to offset ${this.#goals.get(partition) ?? 0}`).join(', ')}`;
  }

  /** The same for a reader that tells its positions instead of being watched. */
  missingAt(positions: ReadonlyMap<number, number>): string | undefined {
    for (const [partition, next] of positions) this.passed(partition, next);
    return this.missing([...positions.keys()]);
  }
}
