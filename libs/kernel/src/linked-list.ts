/** What can be in a list: in one at a time. The list alone writes these. */
export interface Linked<T> {
  list: object | undefined;
  before: T | undefined;
  after: T | undefined;
}

/**
 * Items in the order in which they came, each leaving as cheaply as it came. Not a Set: one that fills and empties thousands of times a second gets a new table each few of them, and a
 * table that has outlived the collector's young generation holds the next one, so everything that was ever in it grows old and waits for a full collection.
 * An item that leaves lets go of its neighbours for the same reason.
 */
export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#first;
  }

  has(item: T): boolean {
    return item.list === this;
  }

  /** Puts the item last. It is in no list yet. */
  add(item: T): void {
    item.list = this;
    item.before = this.#last;
    if (this.#last) this.#last.after = item;
    else this.#first = item;
    this.#last = item;
    this.#size++;
  }

  /** Whether the item was in this list. */
  delete(item: T): boolean {
    if (item.list !== this) return false;
    const { before, after } = item;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    item.list = item.before = item.after = undefined;
    this.#size--;
    return true;
  }

  /** The item that was given may leave before the next one is asked for. */
  *[Symbol.iterator](): Generator<T> {
    for (let item = this.#first; item;) {
      const { after } = item;
      yield item;
      item = after;
    }
  }
}
