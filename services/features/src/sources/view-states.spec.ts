import { beforeEach, describe, expect, test } from '@jest/globals';
import { checkpointKey, compileView, OnlineUpdater, StandingStates, statePrefix, viewKey, type ViewPlan } from '@millrace/feature-engine';
import { MemoryOnlineStore } from '@millrace/online-store';
import { ViewStates } from './view-states.js';

const SOURCE = { name: 'trips', topic: 'trips', eventTime: 'at', schema: { at: 'DateTime64(3)', city: 'String', fare: 'Float64' } };

/** `rides`, kept in chunks of so long: another length is another state. */
function rides(span: string): ViewPlan {
  const features = [{ name: 'rides', aggregate: 'count' as const, window: '1h' }];
  return compileView({ name: 'rides', span, features } as never, { name: 'place', joinKeys: { city: 'String' } }, SOURCE);
}

const OLD = rides('1h');
const NEW = rides('2h');
const AT = (next: number): Buffer => {
  const value = Buffer.alloc(8);
  value.writeBigUInt64BE(BigInt(next));
  return value;
};

describe('what the names of views stand for', () => {
  let store: MemoryOnlineStore;
  let kept: ViewPlan[];
  let held: ViewPlan | undefined;
  let later: (() => Promise<void>)[];
  let now: number;
  let known: ViewPlan[];
  let processes = 0;
  const open = (): { view: ViewStates; states: StandingStates } => {
    const states = new StandingStates(store);
    const heldView = (name: string): ViewPlan | undefined => (name === 'rides' ? held : undefined);
    const isKnown = (_name: string, state: Buffer): boolean => known.some((plan) => plan.stateHash.equals(state));
    const host = {
      online: store,
      states,
      kept: () => kept,
      heldView,
      isKnown,
      changed: () => undefined,
      now: () => now,
      owner: `process-${processes++}`,
      partitionsOf: () => 2,
    };
    return { states, view: new ViewStates({ ...host, later: (_, run) => later.push(run) }) };
  };
  const checkpoints = (plan: ViewPlan, next: readonly number[]): Promise<boolean> =>
    store.writeMany(next.map((offset, partition) => ({ key: checkpointKey(plan, partition), value: AT(offset) })));
  const isStored = async (plan: ViewPlan): Promise<boolean> => {
    for await (const _ of store.scan(statePrefix(plan.stateHash))) return true;
    return false;
  };

  beforeEach(async () => {
    store = new MemoryOnlineStore();
    [kept, held, later] = [[OLD], undefined, []];
    [known, now] = [[OLD, NEW], 0];
    await open().view.settle();
    await checkpoints(OLD, [5, 7]);
  });

  test('a new state takes the old one’s place when it has come as far in every partition', async () => {
    const { view, states } = open();
    await view.start();
    [kept, held] = [[NEW, { ...OLD, name: 'rides@1' }], OLD];
    await checkpoints(NEW, [5, 6]);
    expect(await view.settle()).toEqual({ isOther: true, isBehind: true });
    expect(states.of('rides')).toEqual(OLD.stateHash);
    await checkpoints(NEW, [5, 7]);
    expect(await view.settle()).toEqual({ isOther: true, isBehind: false });
    expect(states.of('rides')).toEqual(NEW.stateHash);
    expect(await store.getMany([viewKey('rides')])).toEqual([NEW.stateHash]);
    expect(await view.settle()).toEqual({ isOther: false, isBehind: false });
  });

  test('a state that was never brought up is removed when another one takes its place, or it is not wanted any more', async () => {
    const { view, states } = open();
    await view.start();
    const third = rides('3h');
    [kept, held] = [[NEW, { ...OLD, name: 'rides@1' }], OLD];
    await checkpoints(NEW, [1, 0]);
    await view.settle();
    [kept, held] = [[third, { ...OLD, name: 'rides@1' }], OLD];
    await view.settle();
    expect(states.of('rides')).toEqual(OLD.stateHash);
    await later[0]?.();
    expect([await isStored(NEW), await isStored(OLD)]).toEqual([false, true]);
    await checkpoints(third, [1, 0]);
    [kept, held] = [[OLD], undefined];
    await view.settle();
    await later[1]?.();
    expect([await isStored(third), await isStored(OLD)]).toEqual([false, true]);
    expect(later).toHaveLength(2);
  });

  test('a state that no name stands for is removed a while later, also by the next process', async () => {
    const { view } = open();
    await view.start();
    kept = [NEW];
    expect(await view.settle()).toEqual({ isOther: true, isBehind: false });
    expect(await isStored(OLD)).toBe(true);
    expect(later).toHaveLength(1);
    await open().view.start();
    expect(later).toHaveLength(2);
    await later[1]?.();
    expect(await isStored(OLD)).toBe(false);
    await later[0]?.();
    await open().view.start();
    expect(later).toHaveLength(2);
  });

  test('a state that is taken up again before it is removed stays', async () => {
    const { view } = open();
    await view.start();
    kept = [];
    await view.settle();
    kept = [OLD];
    await view.settle();
    await later[0]?.();
    expect(await isStored(OLD)).toBe(true);
  });

  test('a state that is being removed is not taken up before it is gone', async () => {
    const { view, states } = open();
    await view.start();
    kept = [NEW];
    await view.settle();
    let goOn: () => void = () => undefined;
    const scan = store.scan.bind(store);
    store.scan = async function* (prefix) {
      await new Promise<void>((resolve) => (goOn = resolve));
      yield* scan(prefix);
    };
    const removed = later[0]?.();
    await new Promise(setImmediate);
    kept = [OLD];
    expect(view.isLeaving(OLD)).toBe(true);
    expect(await view.settle()).toMatchObject({ isBehind: true });
    expect(states.of('rides')).toEqual(NEW.stateHash);
    goOn();
    await removed;
    store.scan = scan;
    expect([view.isLeaving(OLD), await isStored(OLD)]).toEqual([false, false]);
    expect(await view.settle()).toMatchObject({ isBehind: false });
    expect(states.of('rides')).toEqual(OLD.stateHash);
  });

  test('a process that is behind with the definitions does not take back what another has moved', async () => {
    const { view, states } = open();
    await view.start();
    const third = rides('3h');
    await store.writeMany([{ key: viewKey('rides'), value: third.stateHash }]);
    expect(await view.settle()).toEqual({ isOther: true, isBehind: true });
    now = 9_999;
    expect(await view.settle()).toEqual({ isOther: false, isBehind: true });
    expect(states.of('rides')).toEqual(third.stateHash);
    // Of a format that nobody writes any more.
    now = 10_000;
    expect(await view.settle()).toEqual({ isOther: true, isBehind: false });
    expect(states.of('rides')).toEqual(OLD.stateHash);
  });

  test('another process learns which state a name stands for', async () => {
    const [one, other] = [open(), open()];
    await other.view.start();
    kept = [NEW];
    await one.view.settle();
    expect(other.states.of('rides')).toEqual(OLD.stateHash);
    expect(await other.states.look(['rides'])).toBe(true);
    expect(other.states.of('rides')).toEqual(NEW.stateHash);
    expect(await other.states.look(['rides'])).toBe(false);
  });

  const event = (city: string, offset: number): never =>
    ({ partition: 0, offset, time: 1_000, appended: 0, values: [1_000, city, 2] }) as never;
  const updaterOf = async (plan: ViewPlan): Promise<OnlineUpdater> => {
    const updater = new OnlineUpdater({ plan, store, partition: 0 });
    await updater.load();
    return updater;
  };

  test('a state that another process has taken up again is not removed by one that does not know of it', async () => {
    const [one, other] = [open(), open()];
    for (const { view } of [one, other]) await view.start();
    kept = [NEW];
    await one.view.settle();
    const [removal] = later;
    // The other process learns of a definition that has the old state.
    kept = [OLD];
    await other.view.settle();
    const updater = await updaterOf(OLD);
    expect(await updater.apply([event('Bern', 5)], 6)).toBe(true);
    kept = [NEW];
    await removal?.();
    expect(await isStored(OLD)).toBe(true);
    // Not wanted there either any more, it goes.
    await other.view.settle();
    for (const run of later.slice(1)) await run();
    expect(await isStored(OLD)).toBe(false);
  });

  test('nobody writes to a state that another process removes, nor takes up a part of it', async () => {
    const [one, other] = [open(), open()];
    for (const { view } of [one, other]) await view.start();
    const updater = await updaterOf(OLD);
    kept = [NEW];
    await one.view.settle();
    let goOn: () => void = () => undefined;
    const scan = store.scan.bind(store);
    store.scan = async function* (prefix) {
      const found: (readonly [Buffer, Buffer])[] = [];
      for await (const entry of scan(prefix)) found.push(entry);
      await new Promise<void>((resolve) => (goOn = resolve));
      yield* found;
    };
    const removed = later[0]?.();
    await new Promise(setImmediate);
    kept = [OLD];
    expect(await updater.apply([event('Bern', 5)], 6)).toBe(false);
    expect(await other.view.settle()).toMatchObject({ isBehind: true });
    expect(other.view.isLeaving(OLD)).toBe(true);
    expect(other.states.of('rides')).toEqual(NEW.stateHash);
    goOn();
    await removed;
    store.scan = scan;
    expect(await isStored(OLD)).toBe(false);
    expect(await other.view.settle()).toMatchObject({ isOther: true, isBehind: false });
    expect([other.view.isLeaving(OLD), other.states.of('rides')?.equals(OLD.stateHash)]).toEqual([false, true]);
    await updater.load();
    expect([updater.nextOffset, await updater.apply([event('Bern', 0)], 1)]).toEqual([0, true]);
  });

  test('what a process had begun to remove when it ended is removed by the next that wants it, before it is filled', async () => {
    const [one, other] = [open(), open()];
    for (const { view } of [one, other]) await view.start();
    kept = [NEW];
    await one.view.settle();
    const scan = store.scan.bind(store);
    store.scan = () => {
      throw new Error('killed');
    };
    await expect(later[0]?.()).rejects.toThrow('killed');
    store.scan = scan;
    kept = [OLD];
    await other.view.settle();
    expect(other.view.isLeaving(OLD)).toBe(true);
    now += 9_999;
    await other.view.settle();
    expect(await isStored(OLD)).toBe(true);
    now += 1;
    await other.view.settle();
    expect([await isStored(OLD), other.view.isLeaving(OLD)]).toEqual([false, false]);
    expect(other.states.of('rides')).toEqual(OLD.stateHash);
  });
});
