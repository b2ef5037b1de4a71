import { describe, expect, test } from '@jest/globals';
import type { AnyDecider, LoggedDecision } from '@millrace/kernel';
import { FoldVerdicts } from './fold-verdicts.js';

const replica = { topic: 't', aggregate: (subject: string) => (subject.startsWith('run/') ? ({} as AnyDecider) : undefined) };
const scheduler = { after: () => () => {} };
const record = (offset: number) => ({ position: { topic: 't', partition: 0, offset } }) as LoggedDecision;

describe('FoldVerdicts', () => {
  test('knows what was folded here, and nothing of before, after, or of an aggregate this build has not', async () => {
    const verdicts = new FoldVerdicts(replica, scheduler);
    expect(verdicts.isAccepted(0, 5, 'run/1')).toBeUndefined();
    verdicts.began(0, 5);
    const records = [5, 6, 7].map(record);
    verdicts.folded(0, records, [records[0]!, records[2]!], 9);
    expect([4, 5, 6, 7, 8, 9].map((offset) => verdicts.isAccepted(0, offset, 'run/1'))).toEqual([
      undefined,
      true,
      false,
      true,
      true,
      undefined,
    ]);
    expect(verdicts.isAccepted(0, 5, 'rune/1')).toBeUndefined();
    await verdicts.upTo(0, 9);
  });

  test('is not misled when a batch comes again, of which the fold accepts nothing more', () => {
    const verdicts = new FoldVerdicts(replica, scheduler);
    verdicts.began(0, 0);
    const records = [0, 1].map(record);
    verdicts.folded(0, records, records, 2);
    const again = [...records, record(2)];
    verdicts.folded(0, again, [again[2]!], 3);
    expect([0, 1, 2].map((offset) => verdicts.isAccepted(0, offset, 'run/1'))).toEqual([true, true, true]);
  });

  test('lets those go who wait when the fold comes there, and when it stops', async () => {
    const verdicts = new FoldVerdicts(replica, scheduler);
    verdicts.began(0, 0);
    const waiting = verdicts.upTo(0, 2);
    verdicts.folded(0, [record(0)], [], 2);
    await waiting;
    const left = verdicts.upTo(0, 10);
    verdicts.close();
    await left;
    expect(verdicts.isAccepted(0, 9, 'run/1')).toBeUndefined();
  });

  test('forgets what the table holds', () => {
    const verdicts = new FoldVerdicts(replica, scheduler);
    verdicts.began(0, 0);
    verdicts.folded(0, [record(0), record(1)], [], 2);
    verdicts.forget(0, 1);
    expect([verdicts.isAccepted(0, 0, 'run/1'), verdicts.isAccepted(0, 1, 'run/1')]).toEqual([undefined, false]);
  });
});
