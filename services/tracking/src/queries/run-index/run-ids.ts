import { roomFor } from './density.js';

const ID_BYTES = 16;
const PACKED = /^[0-9a-f]{32}$/;
/** What an id of another form takes in the two maps. */
const OTHER_BYTES = 160;

/** Rows by run id and back. Ids are 32 hex digits and kept as the 16 bytes they stand for; an id of another form is kept as it is. */
export class RunIds {
  #bytes = Buffer.alloc(0);
  /** Row + 1 of packed ids, by open addressing; 0 where there is none. */
  #slots = new Uint32Array(16);
  #packed = 0;
  readonly #rowOf = new Map<string, number>();
  readonly #otherOf = new Map<number, string>();
  readonly #wanted = Buffer.alloc(ID_BYTES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes.length + this.#slots.byteLength + this.#rowOf.size * OTHER_BYTES;
  }

  id(row: number): string {
    if (this.#otherOf.size > 0) {
      const other = this.#otherOf.get(row);
      if (other !== undefined) return other;
    }
    return this.#bytes.toString('hex', row * ID_BYTES, (row + 1) * ID_BYTES);
  }

  row(id: string): number | undefined {
    if (!PACKED.test(id)) return this.#rowOf.get(id);
    this.#wanted.write(id, 'hex');
    const found = this.#slots[this.#slotOf(this.#wanted, 0)] as number;
    return found === 0 ? undefined : found - 1;
  }

  /** Gives the next row to an id that has none. */
  add(id: string): number {
    const row = this.#size++;
    if (!PACKED.test(id)) {
      this.#rowOf.set(id, row);
      this.#otherOf.set(row, id);
      return row;
    }
    if ((row + 1) * ID_BYTES > this.#bytes.length) {
      const larger = Buffer.alloc(roomFor(row) * ID_BYTES);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    this.#bytes.write(id, row * ID_BYTES, 'hex');
    if (++this.#packed * 3 > this.#slots.length * 2) this.#rehash();
    this.#slots[this.#slotOf(this.#bytes, row * ID_BYTES)] = row + 1;
    return row;
  }

  /** The slot that holds the id at this place of the bytes, or the free one where it belongs. */
  #slotOf(bytes: Buffer, at: number): number {
    const last = this.#slots.length - 1;
    // Ids that are counted up differ in few bits, so all of them take part.
    let hash = 0;
    for (let word = 0; word < ID_BYTES; word += 4) hash = Math.imul(hash ^ bytes.readInt32LE(at + word), 0x9e3779b1) ^ (hash >>> 15);
    for (let slot = (hash ^ (hash >>> 16)) & last; ; slot = (slot + 1) & last) {
      const held = this.#slots[slot] as number;
      if (held === 0 || bytes.compare(this.#bytes, (held - 1) * ID_BYTES, held * ID_BYTES, at, at + ID_BYTES) === 0) return slot;
    }
  }

  #rehash(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (const held of before) if (held !== 0) this.#slots[this.#slotOf(this.#bytes, (held - 1) * ID_BYTES)] = held;
  }
}
