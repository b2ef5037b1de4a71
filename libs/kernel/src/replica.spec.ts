import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accept, type Decider, type Event } from './decider.js';
import { MemoryStateStore } from './memory-state-store.js';
import type { LoggedDecision } from './record.js';
import { DecisionReplica } from './replica.js';
import type { StateCommit } from './state-store.js';
import { digestOf } from './testing/digest.js';

interface Notes {
  texts: string[];
}

const notes: Decider<Notes, { type: 'Note' }, Event<'Noted', string>, never> = {
  initial: () => ({ texts: [] }),
  evolve(state, event) {
    // What a total switch does with a type it was not written for.
    if ((event.type as string) !== 'Noted') return undefined as unknown as Notes;
    if (event.data === 'break') throw new TypeError('cannot fold this');
    state.texts.push(event.data);
    return state;
  },
  decide: () => accept('Noted', ''),
};

const scheduler = { after: () => () => undefined };

function replicaOver(store = new MemoryStateStore(), maxCachedSubjects = 50_000): DecisionReplica {
  return new DecisionReplica({ topic: 't', partitions: 2, aggregates: { notes }, store, scheduler, maxCachedSubjects });
}

function noted(
  offset: number,
  subject: string,
  sequence: number,
  data = `${subject}#${sequence}@${offset}`,
  partition = 0,
): LoggedDecision {
  return {
    id: `${partition}-${offset}`,
    type: 'Noted',
    version: 1,
    subject,
    sequence,
    commandId: `c${partition}-${offset}`,
    actor: 'a',
    time: 0,
    data,
    position: { topic: 't', partition, offset },
  };
}

/** A log of two partitions with duplicates, losers, zombies, gaps and an aggregate nobody knows. */
const log = fc
  .array(fc.tuple(fc.constantFrom('notes/1', 'notes/2', 'notes/3', 'unknown/1'), fc.integer({ min: 1, max: 12 }), fc.nat(1)), {
    maxLength: 120,
  })
  .map((entries) =>
    [0, 1].map((partition) =>
      entries
        .filter((entry) => entry[2] === partition)
        .map(([subject, sequence], offset) => noted(offset, `${subject}.${partition}`, sequence, undefined, partition)),
    ),
  );

async function digestInBatches(partitions: readonly LoggedDecision[][], size: number, again: number, flushes: boolean): Promise<string> {
  const replica = replicaOver(new MemoryStateStore(), 1);
  for (const [partition, records] of partitions.entries()) {
    for (let at = 0; at < records.length; at += size) {
      const from = Math.max(0, at - again);
      replica.apply(partition, records.slice(from, at + size), Math.min(at + size, records.length));
      if (flushes) await replica.flush();
    }
  }
  return await digestOf(replica);
}

describe('DecisionReplica', () => {
  test('accepts a record iff its sequence follows its subject’s last', () => {
    const replica = replicaOver();
    const records = [
      noted(0, 'notes/1', 1),
      noted(1, 'notes/1', 1),
      noted(2, 'notes/1', 3),
      noted(3, 'notes/2', 2),
      noted(4, 'notes/1', 2),
      noted(5, 'notes/2', 1),
      noted(6, 'other/1', 1),
      noted(7, 'notes/1', 3),
    ];
    expect(replica.apply(0, records, 8).map(({ position }) => position.offset)).toEqual([0, 4, 5, 7]);
    expect(replica.subject('notes/1')).toEqual({
      sequence: 3,
      state: { texts: ['notes/1#1@0', 'notes/1#2@4', 'notes/1#3@7'] },
    });
    expect(replica.counts).toEqual({ accepted: 4, void: 3, unknown: 1 });
    expect(replica.positions()).toEqual([8, 0]);
  });

  test('holds the same whatever the batches were, whatever came twice, and wherever the state was kept', async () => {
    await fc.assert(
      fc.asyncProperty(log, async (partitions) => {
        const wanted = await digestInBatches(partitions, 1_000, 0, false);
        for (const [size, again, flushes] of [
          [1, 0, true],
          [1, 3, false],
          [7, 0, false],
          [7, 20, true],
        ] as const) {
          expect(await digestInBatches(partitions, size, again, flushes)).toBe(wanted);
        }
      }),
    );
  });

  test('goes on after a restart where its store stands', async () => {
    await fc.assert(
      fc.asyncProperty(log, fc.nat(120), async (partitions, at) => {
        const store = new MemoryStateStore();
        const before = replicaOver(store);
        partitions.forEach((records, partition) => before.apply(partition, records.slice(0, at), Math.min(at, records.length)));
        await before.flush();
        const after = replicaOver(store);
        // A reader may begin earlier than asked; what the store holds already is not folded twice.
        partitions.forEach((records, partition) => after.apply(partition, records, records.length));
        expect(await digestOf(after)).toBe(await digestInBatches(partitions, 1_000, 0, false));
      }),
    );
  });

  test('tells a record’s verdict once, to the one who expects it', () => {
    const replica = replicaOver();
    const verdicts: unknown[] = [];
    for (const id of ['0-0', '0-1', '0-2', '0-9']) replica.expect(id, (verdict) => verdicts.push([id, verdict.accepted]));
    replica.forget('0-2');
    const records = [noted(0, 'notes/1', 1), noted(1, 'notes/1', 1), noted(2, 'notes/1', 2)];
    replica.apply(0, records, 3);
    replica.apply(0, records, 3);
    expect(verdicts).toEqual([
      ['0-0', true],
      ['0-1', false],
    ]);
  });

  test('never steps over a record it cannot fold: it stops for good and says where', async () => {
    const replica = replicaOver();
    const records = [noted(0, 'notes/1', 1), noted(1, 'notes/1', 2, 'break'), noted(2, 'notes/2', 1)];
    const where = /Noted of notes\/1 at t\/0@1/;
    expect(() => replica.apply(0, records, 3)).toThrow(where);
    expect(replica.positions()[0]).toBe(1);
    expect(replica.defect?.cause).toBeInstanceOf(TypeError);
    expect(() => replica.apply(0, records, 3)).toThrow(where);
    expect(() => replica.subject('notes/2')).toThrow(where);
    await expect(replica.flush()).rejects.toThrow(where);
    await expect(replica.waitFor({ topic: 't', partition: 0, offset: 5 }, 1)).rejects.toThrow(where);
  });

  test('keeps the state of a subject that is given an event of another aggregate', () => {
    const replica = replicaOver();
    const foreign = { ...noted(1, 'notes/1', 2), type: 'Renamed' };
    replica.apply(0, [noted(0, 'notes/1', 1, 'a'), foreign, noted(2, 'notes/1', 3, 'b')], 3);
    expect(replica.subject('notes/1')).toEqual({ sequence: 3, state: { texts: ['a', 'b'] } });
  });

  test('keeps what a failed flush held, and newer changes over it', async () => {
    const store = new MemoryStateStore();
    const commit = store.commit.bind(store);
    let failing = true;
    store.commit = (commits: readonly StateCommit[]) => (failing ? Promise.reject(new Error('disk full')) : commit(commits));
    const replica = replicaOver(store, 1);
    replica.apply(0, [noted(0, 'notes/1', 1), noted(1, 'notes/2', 1)], 2);
    const flushed = replica.flush();
    replica.apply(0, [noted(2, 'notes/1', 2)], 3);
    await expect(flushed).rejects.toThrow('disk full');
    expect(replica.unflushed).toBe(2);
    expect(replica.subject('notes/1').sequence).toBe(2);
    expect(replica.reply('notes/2', 'c0-1')).toMatchObject({ sequence: 1, offset: 1 });
    failing = false;
    await replica.flush();
    expect(replica.unflushed).toBe(0);
    expect(store.positions().get(0)).toBe(3);
    expect([...store.subjects()].map(([name, { sequence }]) => [name, sequence])).toEqual([
      ['notes/1', 2],
      ['notes/2', 1],
    ]);
    expect(store.reply(`4:c0-1notes/2`)).toBeDefined();
  });

  test('answers reads while a flush is under way', async () => {
    const store = new MemoryStateStore();
    const commit = store.commit.bind(store);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    store.commit = async (commits: readonly StateCommit[]) => {
      await held;
      await commit(commits);
    };
    const replica = replicaOver(store, 0);
    replica.apply(0, [noted(0, 'notes/1', 1), noted(1, 'notes/2', 1)], 2);
    const flushed = replica.flush();
    await Promise.resolve();
    expect(replica.subject('notes/1').sequence).toBe(1);
    expect(replica.reply('notes/1', 'c0-0')).toMatchObject({ sequence: 1 });
    release();
    await flushed;
    expect(replica.subject('notes/1').sequence).toBe(1);
    expect(replica.reply('notes/1', 'c0-0')).toMatchObject({ sequence: 1 });
    expect(replica.reply('notes/2', 'c0-0')).toBeUndefined();
  });

  test('a follower keeps which records were void and no replies, and says of each record whether it was accepted', async () => {
    const store = new MemoryStateStore();
    const commits: StateCommit[] = [];
    const commit = store.commit.bind(store);
    store.commit = (some: readonly StateCommit[]) => (commits.push(...some), commit(some));
    const open = (keepsReplies: boolean, over = store) =>
      new DecisionReplica({ topic: 't', partitions: 2, aggregates: { notes }, store: over, scheduler, keepsReplies });
    const records = [
      noted(0, 'notes/1', 1),
      noted(1, 'notes/1', 1),
      noted(2, 'notes/1', 2),
      noted(3, 'unknown/1', 1),
      noted(4, 'notes/1', 2),
    ];
    const follower = open(false);
    expect(follower.isAccepted(noted(0, 'notes/1', 1))).toBe(false);
    const owner = open(true, new MemoryStateStore());
    for (const replica of [follower, owner]) {
      replica.apply(0, records, 5);
      expect(records.map((record) => replica.isAccepted(record))).toEqual([true, false, true, false, false]);
      await replica.flush();
      expect(records.map((record) => replica.isAccepted(record))).toEqual([true, false, true, false, false]);
    }
    expect(commits.flatMap(({ replies }) => [...replies.keys()])).toEqual(['void 0@1', 'void 0@4']);
    expect(follower.reply('notes/1', 'c0-0')).toBeUndefined();
    // What was void stays so for the process that goes on with the store.
    const again = open(false);
    expect(records.map((record) => again.isAccepted(record))).toEqual([true, false, true, false, false]);
  });

  test('lets those go on who waited for a position, and refuses positions of another log', async () => {
    const replica = replicaOver();
    let passed = false;
    const waiting = replica.waitFor({ topic: 't', partition: 1, offset: 4 }, 1_000).then(() => (passed = true));
    replica.apply(1, [], 4);
    await Promise.resolve();
    expect(passed).toBe(false);
    replica.apply(1, [], 5);
    await waiting;
    await replica.waitFor({ topic: 't', partition: 0, offset: -1 }, 1_000);
    for (const position of [
      { topic: 'u', partition: 0, offset: 0 },
      { topic: 't', partition: 2, offset: 0 },
    ]) {
      await expect(replica.waitFor(position, 1_000)).rejects.toMatchObject({ code: 'MR_POSITION_FOREIGN', retryable: false });
    }
  });

  test('gives up a wait at its deadline', async () => {
    const due: (() => void)[] = [];
    const replica = new DecisionReplica({
      topic: 't',
      partitions: 1,
      aggregates: { notes },
      store: new MemoryStateStore(),
      scheduler: { after: (_, run) => (due.push(run), () => undefined) },
    });
    const waiting = replica.waitFor({ topic: 't', partition: 0, offset: 0 }, 50);
    due.forEach((run) => run());
    await expect(waiting).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED', retryable: true });
  });
});

test('who waits for a position, or begins to, is told when nothing is folded any more', async () => {
  const replica = replicaOver();
  const position = { topic: 't', partition: 1, offset: 3 };
  const waiting = replica.waitFor(position, 1000);
  replica.ended();
  await expect(waiting).rejects.toMatchObject({ code: 'MR_READER_STOPPED', retryable: true });
  await expect(replica.waitFor(position, 1000)).rejects.toMatchObject({ code: 'MR_READER_STOPPED' });
});
