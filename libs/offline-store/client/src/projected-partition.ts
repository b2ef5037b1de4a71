import type { Block, BlockRange } from './block.js';
import { isRowTrouble, messageOf } from './clickhouse-fault.js';

/** What a partition needs of its projection. */
export interface PartitionPort {
  /** `expected`: how many bytes it may come to. */
  newBlock(partition: number, expected?: number): Block<unknown>;
  insert(range: { bytes: Buffer; token: string; rows: number }, partition: number): Promise<void>;
  /** Next offset by the table's own word. */
  checkpoint(partition: number): Promise<number>;
  /** Puts a record aside for good, durably. */
  refuse(partition: number, offset: number, reason: string): Promise<void>;
  failed(partition: number, reason: string, attempt: number): void;
  /** The table holds less than this process has put into it. */
  regressed(partition: number, from: number): void;
  /** Everything before `next` is in the table; after `inTable` nothing had a row. */
  stored(partition: number, next: number, inTable: number): void;
  pause(milliseconds: number): Promise<void>;
  isStopping(): boolean;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;

/**
 * One partition on its way into the table: a block that fills, and at most one that is being inserted. The table is the
 * checkpoint, so nothing here has to survive; `stored` is only a copy of what the table is known to hold.
 */
export class ProjectedPartition {
  /** Next offset to take from the log. */
  read: number;
  /** Everything before it is in the table, or has no row there. */
  stored: number;
  /** The highest offset somebody waits for. */
  demanded = -1;
  #block: Block<unknown>;
  #inserting: Promise<void> | undefined;
  #abandoned = false;
  /** After the last offset that is known to have left a row in the table. */
  #inTable: number;

  constructor(
    readonly partition: number,
    next: number,
    private readonly port: PartitionPort,
  ) {
    this.read = next;
    this.stored = next;
    this.#inTable = next;
    this.#block = port.newBlock(partition);
  }

  get isAbandoned(): boolean {
    return this.#abandoned;
  }

  get block(): Block<unknown> {
    return this.#block;
  }

  /** `rows` is what the block takes; `undefined` when the record has none. */
  add(offset: number, rows: unknown): void {
    if (rows !== undefined) this.#block.add(offset, rows);
    this.read = offset + 1;
  }

  /** Records up to `next` have been looked at. */
  advance(next: number): void {
    if (next > this.read) this.read = next;
    if (this.#block.isEmpty && !this.#inserting) this.#reached(this.read);
  }

  /** Starts inserting `block` once the insert before it is done; resolves when it has started (or somebody else has started it). */
  async cut(block: Block<unknown> = this.#block): Promise<void> {
    while (this.#inserting) await this.#inserting;
    if (this.#block !== block || block.isEmpty || this.#abandoned) return;
    // Where blocks are large the next one is too: while a long log is read, or much is written.
    this.#block = this.port.newBlock(this.partition, block.size);
    const after = this.read;
    this.#inserting = this.#insertAll(block).then((done) => {
      this.#inserting = undefined;
      // Records without rows behind the block's last one count as done only if no later block holds rows of them.
      if (done && !this.#abandoned) this.#reached(this.#block.isEmpty ? this.read : after);
    });
  }

  /** Everything that was added before the call is in the table, or the partition was given up. */
  async settle(): Promise<void> {
    await this.cut();
    while (this.#inserting) await this.#inserting;
  }

  /** Gives up what is buffered; the log has it. Resolves when no insert is running any more. */
  async abandon(): Promise<void> {
    this.#abandoned = true;
    while (this.#inserting) await this.#inserting;
  }

  #reached(next: number): void {
    this.stored = next;
    this.port.stored(this.partition, next, this.#inTable);
  }

  /** False: given up. Ranges go in one after the other, in offset order, or the table's max(_offset) would be no checkpoint. */
  async #insertAll(block: Block<unknown>): Promise<boolean> {
    const ranges: BlockRange[] = [block.all];
    let isUndisturbed = true;
    for (let attempt = 1; ranges.length > 0;) {
      const range = ranges[0] as BlockRange;
      try {
        await this.port.insert({ bytes: block.bytes(range), token: block.token(range), rows: block.rowCount(range) }, this.partition);
        this.#inTable = block.last(range) + 1;
        ranges.shift();
        attempt = 1;
      } catch (error) {
        const reason = messageOf(error);
        // An insert that was given up may still be sending.
        isUndisturbed = false;
        if (isRowTrouble(error)) {
          if (range.to - range.from === 1) {
            if (!(await this.#refuse(block.first(range), reason))) return false;
            ranges.shift();
          } else ranges.splice(0, 1, ...split(block, range, reason));
          continue;
        }
        this.port.failed(this.partition, reason, attempt);
        const rest = await this.#resume(block, range, attempt++);
        if (rest === 'given up') return false;
        if (rest) ranges[0] = rest;
        else ranges.shift();
      }
    }
    if (isUndisturbed) block.release();
    return true;
  }

  /** After an indefinite error: the rows may be in the table, all or none of them. The table says. */
  async #resume(block: Block<unknown>, range: BlockRange, attempt: number): Promise<BlockRange | undefined | 'given up'> {
    for (let again = attempt; ; again++) {
      if (this.port.isStopping() || this.#abandoned) return this.#giveUp();
      await this.port.pause(Math.min(FIRST_PAUSE_MS * 2 ** (again - 1), LONGEST_PAUSE_MS));
      if (this.port.isStopping() || this.#abandoned) return this.#giveUp();
      try {
        const next = await this.port.checkpoint(this.partition);
        if (next < this.#inTable) {
          this.#abandoned = true;
          this.port.regressed(this.partition, next);
          return 'given up';
        }
        return block.after(range, next);
      } catch (error) {
        this.port.failed(this.partition, messageOf(error), again);
      }
    }
  }

  async #refuse(offset: number, reason: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.port.refuse(this.partition, offset, reason);
        return true;
      } catch (error) {
        this.port.failed(this.partition, messageOf(error), attempt);
        if (this.port.isStopping() || this.#abandoned) return this.#giveUp() !== 'given up';
        await this.port.pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
      }
    }
  }

  #giveUp(): 'given up' {
    this.#abandoned = true;
    return 'given up';
  }
}

/** Around the row ClickHouse names, or in halves. Only a record that is refused alone is put aside. */
export function split(block: Block<unknown>, range: BlockRange, reason: string): BlockRange[] {
  const row = /\(at row (\d+)\)/.exec(reason);
  const bad = row ? block.recordOfRow(range, Number(row[1])) : undefined;
  const cuts = bad === undefined ? [range.from + Math.ceil((range.to - range.from) / 2)] : [bad, bad + 1];
  const bounds = [range.from, ...cuts, range.to];
  const parts: BlockRange[] = [];
  for (let i = 0; i + 1 < bounds.length; i++) {
    const [from, to] = [bounds[i] as number, bounds[i + 1] as number];
    if (to > from) parts.push({ from, to });
  }
  return parts;
}
