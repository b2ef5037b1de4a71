import { Block } from './block.js';
import { GrowingBytes } from './growing-bytes.js';
import { jsonObjectBounds } from './json-object-bounds.js';

/**
 * One source record's rows: an object, ready JSON bytes (one object, spliced in without parsing) or a {@link RowText}, several of them, or
 * `undefined` for a record that has none. Several rows get their place as `_row`.
 */
export type ProjectedRows = object | Buffer | RowText | readonly (object | Buffer | RowText)[] | undefined;

/**
 * A row that the projection has written itself: the fields of one object as `JSON.stringify` would write them, without its braces. They are taken
 * as they are, so text from outside must not come this way. A class, because what a record holds may be a string and must not pass for one.
 */
export class RowText {
  constructor(readonly fields: string) {}
}

const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Lines of JSONEachRow. */
class JsonLines extends GrowingBytes {
  /** A whole line, its break included. */
  line(line: string): void {
    this.reserve(line.length * 3);
    this.end += this.bytes.write(line, this.end);
  }

  /** A line of `head` and the fields of one ready object. */
  spliced(head: string, row: Buffer): void {
    const { start, end } = jsonObjectBounds(row);
    const empty = end - start < 16 && row.toString('latin1', start + 1, end - 1).trim() === '';
    this.reserve(head.length * 3 + row.length + 2);
    this.end += this.bytes.write(empty ? head : `${head},`, this.end);
    const from = this.end;
    this.end += row.copy(this.bytes, from, start + 1, end);
    // A line break in JSON is only a blank; two of them would end the insert's data. The row is searched and not the block, whose unused
    // part has none and may be long.
    for (let at = row.indexOf(NEWLINE, start + 1); at >= 0 && at < end; at = row.indexOf(NEWLINE, at + 1))
      this.bytes[from + at - start - 1] = SPACE;
    this.bytes[this.end++] = NEWLINE;
  }
}

/** Rows as JSONEachRow. */
export class JsonBlock extends Block<Exclude<ProjectedRows, undefined>, JsonLines> {
  readonly #head: string;

  constructor(topic: string, partition: number, expected = 0) {
    super(topic, partition, new JsonLines(expected));
    this.#head = `{"_topic":${JSON.stringify(topic)},"_partition":${partition},"_offset":`;
  }

  protected write(offset: number, rows: Exclude<ProjectedRows, undefined>): number {
    const head = `${this.#head}${offset}`;
    if (!Array.isArray(rows)) {
      this.#row(head, rows);
      return 1;
    }
    const several = rows as readonly (object | Buffer | RowText)[];
    for (const [index, row] of several.entries()) this.#row(`${head},"_row":${index}`, row);
    return several.length;
  }

  #row(head: string, row: object | Buffer | RowText): void {
    if (row instanceof RowText) this.out.line(`${head},${row.fields}}\n`);
    else if (Buffer.isBuffer(row)) this.out.spliced(head, row);
    else {
      const text = JSON.stringify(row);
      this.out.line(text === '{}' ? `${head}}\n` : `${head},${text.slice(1)}\n`);
    }
  }
}
