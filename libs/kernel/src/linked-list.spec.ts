import { beforeEach, describe, expect, it } from '@jest/globals';
import { LinkedList, type Linked } from './linked-list.js';

class Item implements Linked<Item> {
  list: object | undefined = undefined;
  before: Item | undefined = undefined;
  after: Item | undefined = undefined;

  constructor(readonly name: string) {}
}

function names(list: LinkedList<Item>): string[] {
  return [...list].map(({ name }) => name);
}

describe('LinkedList', () => {
  const [a, b, c] = [new Item('a'), new Item('b'), new Item('c')];
  const list = new LinkedList<Item>();

  beforeEach(() => {
    for (const item of [a, b, c]) list.delete(item);
    for (const item of [a, b, c]) list.add(item);
  });

  it('gives items in the order in which they came', () => {
    expect(names(list)).toEqual(['a', 'b', 'c']);
    expect(list.size).toBe(3);
    expect(list.first).toBe(a);
  });

  it.each([
    { leaves: a, left: ['b', 'c'] },
    { leaves: b, left: ['a', 'c'] },
    { leaves: c, left: ['a', 'b'] },
  ])('lets $leaves.name go, once, and it lets go of its neighbours', ({ leaves, left }) => {
    expect(list.delete(leaves)).toBe(true);
    expect(list.delete(leaves)).toBe(false);
    expect(names(list)).toEqual(left);
    expect(list.has(leaves)).toBe(false);
    expect([leaves.before, leaves.after]).toEqual([undefined, undefined]);
    list.add(leaves);
    expect(names(list)).toEqual([...left, leaves.name]);
  });

  it('goes on where the item that was given has left', () => {
    const seen: string[] = [];
    for (const item of list) {
      list.delete(item);
      seen.push(item.name);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(list.size).toBe(0);
    expect(list.first).toBeUndefined();
  });

  it('does not let an item of another list go', () => {
    const other = new LinkedList<Item>();
    list.delete(b);
    other.add(b);
    expect(list.delete(b)).toBe(false);
    expect(names(other)).toEqual(['b']);
    other.delete(b);
  });
});
