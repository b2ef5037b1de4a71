import { describe, expect, test } from '@jest/globals';
import { isSameActor } from './actor.js';

describe('isSameActor', () => {
  test.each([
    ['alice', 'Alice'],
    ['ALICE@EXAMPLE.ORG', 'alice@example.org'],
    ['ａｌｉｃｅ', 'alice'],
    ['a\u200Blice', 'alice'],
    ['Straße', 'STRASSE'],
    ['ſam', 'Sam'],
    ['Ὀδυσσεύς', 'ὈΔΥΣΣΕΎΣ'],
    ['Zoe\u0308', 'zoë'],
    ['alice ', 'alice'],
  ])('%j and %j are one', (one, other) => {
    expect([isSameActor(one, other), isSameActor(other, one)]).toEqual([true, true]);
  });

  test.each([
    ['alice', 'alicia'],
    ['bob', 'bób'],
    ['a.b', 'ab'],
  ])('%j and %j are two', (one, other) => {
    expect(isSameActor(one, other)).toBe(false);
  });
});
