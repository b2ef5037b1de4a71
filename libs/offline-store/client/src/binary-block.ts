import type { Item } from '@millrace/event-log';
import { Block } from './block.js';
import { RowBinary } from './row-binary.js';

/**
 * A record's rows written as RowBinary: several times cheaper than JSON, for who writes and for ClickHouse. Values are written in the
 * order of the columns and in their own types; nothing checks that they fit, so this is for tables of our own.
 */
export interface BinaryRows<T> {
  /** Columns that have one value in all rows of a record, beside the position. */
  readonly recordColumns: readonly string[];
  readonly rowColumns: readonly string[];
  /** Rows of the record. They get their place as `_row`. */
  count(item: Item<T>): number;
  writeRecord(item: Item<T>, out: RowBinary): void;
  writeRow(item: Item<T>, index: number, out: RowBinary): void;
}

/** The columns of an insert, in the order in which {@link BinaryBlock} writes them. */
export function binaryColumns(rows: BinaryRows<never>): string[] {
  return ['_topic', '_partition', '_offset', ...rows.recordColumns, '_row', ...rows.rowColumns];
}

/** Rows as RowBinary. */
export class BinaryBlock<T> extends Block<Item<T>, RowBinary> {
  constructor(
    topic: string,
    partition: number,
    private readonly layout: BinaryRows<T>,
    expected = 0,
  ) {
    super(topic, partition, new RowBinary(expected));
  }

  protected write(offset: number, item: Item<T>): number {
    const { out, layout } = this;
    const count = layout.count(item);
    const from = out.length;
    out.text(this.topic);
    out.uint32(this.partition);
    out.uint64(offset);
    layout.writeRecord(item, out);
    const to = out.length;
    for (let index = 0; index < count; index++) {
      if (index > 0) out.again(from, to);
      out.uint32(index);
      layout.writeRow(item, index, out);
    }
    return count;
  }
}
