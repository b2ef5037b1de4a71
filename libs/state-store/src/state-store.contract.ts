import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { accept, canonical, DecisionReplica, type Decider, type LoggedDecision, type StateCommit, type StateStore } from '@millrace/kernel';

interface Tally {
  count: number;
  seen: Set<string>;
  byActor: Map<string, { commands: string[] }>;
}

/** A decider that changes its state in place and uses all that a state may hold. */
const tally: Decider<Tally, { type: 'Count' }, { type: 'Counted'; data: { note: string } }, never> = {
  initial: () => ({ count: 0, seen: new Set(), byActor: new Map() }),
  evolve(state, event, { actor }) {
    state.count++;
    state.seen.add(event.data.note);
    const of = state.byActor.get(actor) ?? { commands: [] };
    of.commands.push(event.data.note);
    state.byActor.set(actor, of);
    return state;
  },
  decide: () => accept('Counted', { note: '' }),
};

const scheduler = { after: () => () => undefined };

function replicaOver(store: StateStore): DecisionReplica {
  return new DecisionReplica({ topic: 't', partitions: 2, aggregates: { tally }, store, scheduler, maxCachedSubjects: 1 });
}

function counted(offset: number, subject: string, sequence: number): LoggedDecision {
  const note = `${subject}#${sequence}`;
  return {
    id: `id-${offset}`,
    type: 'Counted',
    version: 1,
    subject,
    sequence,
    commandId: `command-${offset}`,
    actor: `actor-${sequence % 2}`,
    time: 0,
    data: { note },
    position: { topic: 't', partition: 0, offset },
  };
}

function commit(parts: Partial<StateCommit>): StateCommit {
  return { partition: 0, nextOffset: 0, subjects: new Map(), replies: new Map(), ...parts };
}

/** What every {@link StateStore} does. `make` gives an empty one; `again` the same after its process has ended, where it outlives it. */
export function stateStoreContract(name: string, make: () => Promise<StateStore>, again?: () => Promise<StateStore>): void {
  describe(`${name}: the contract of the state store`, () => {
    let store: StateStore;
    beforeEach(async () => {
      store = await make();
    });
    afterEach(async () => {
      await store.close();
    });
    const reopened = async () => {
      if (!again) return store;
      await store.close();
      return (store = await again());
    };

    test('is empty at first', () => {
      expect([...store.positions()]).toEqual([]);
      expect(store.subject('tally/1')).toBeUndefined();
      expect(store.reply('any')).toBeUndefined();
      expect([...store.subjects()]).toEqual([]);
    });

    test('keeps states, replies and positions together', async () => {
      const reply = { subject: 'run/1', sequence: 3, partition: 1, offset: 7, type: 'RunFinished', data: { a: [1, null, 'x'] } };
      await store.commit([
        commit({ partition: 1, nextOffset: 8, subjects: new Map([['run/1', { sequence: 3, state: { status: 'done' } }]]) }),
        commit({ partition: 0, nextOffset: 2, replies: new Map([['key', reply]]) }),
      ]);
      for (const holder of [() => Promise.resolve(store), reopened]) {
        const held = await holder();
        expect(new Map(held.positions())).toEqual(
          new Map([
            [0, 2],
            [1, 8],
          ]),
        );
        expect(held.subject('run/1')).toEqual({ sequence: 3, state: { status: 'done' } });
        expect(held.reply('key')).toEqual(reply);
      }
    });

    test('forgets everything but the positions when it is cleared', async () => {
      const reply = { subject: 'run/1', sequence: 1, partition: 0, offset: 7, type: 'RunFinished', data: {} };
      const subjects = new Map([['run/1', { sequence: 1, state: {} }]]);
      await store.commit([commit({ partition: 0, nextOffset: 8, subjects, replies: new Map([['key', reply]]) })]);
      await store.clear();
      for (const holder of [() => Promise.resolve(store), reopened]) {
        const held = await holder();
        expect([...held.positions()]).toEqual([[0, 8]]);
        expect([held.subject('run/1'), held.reply('key'), [...held.subjects()]]).toEqual([undefined, undefined, []]);
      }
      await store.commit([commit({ partition: 0, nextOffset: 9, replies: new Map([['key', reply]]) })]);
      expect(store.reply('key')).toEqual(reply);
    });

    test('keeps a state as it was when it was committed through a replica, whatever became of it since', async () => {
      const replica = replicaOver(store);
      const records = Array.from({ length: 40 }, (_, index) => counted(index, `tally/${index % 4}`, Math.floor(index / 4) + 1));
      replica.apply(0, records.slice(0, 20), 20);
      const commitNow = store.commit.bind(store);
      store.commit = (commits) => {
        const committed = commitNow(commits);
        replica.apply(0, records.slice(20), 40);
        return committed;
      };
      await replica.flush();
      store.commit = commitNow;
      expect(store.positions().get(0)).toBe(20);
      expect(replica.subject('tally/3')).toMatchObject({ sequence: 10, state: { count: 10 } });
      await replica.flush();
      const before = canonical(replica.subject('tally/2'));
      const after = replicaOver(await reopened());
      expect(after.positions()).toEqual([40, 0]);
      expect(canonical(after.subject('tally/2'))).toBe(before);
      expect(after.reply('tally/2', 'command-2')).toMatchObject({ sequence: 1, data: { note: 'tally/2#1' } });
      after.apply(0, [counted(40, 'tally/0', 11)], 41);
      expect(after.subject('tally/0')).toMatchObject({ sequence: 11, state: { count: 11 } });
    });

    test('lists subjects by prefix in the order of their bytes', async () => {
      const names = ['run/b', 'run/a', 'model/1', 'run/é', 'run/𝄞', 'run/z', 'run', 'runs/1'];
      await store.commit([commit({ nextOffset: 1, subjects: new Map(names.map((of) => [of, { sequence: 1, state: of }])) })]);
      const held = await reopened();
      const ordered = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect([...held.subjects()].map(([of]) => of)).toEqual(ordered);
      expect([...held.subjects('run/')]).toEqual(
        ordered.filter((of) => of.startsWith('run/')).map((of) => [of, { sequence: 1, state: of }]),
      );
    });
  });
}
