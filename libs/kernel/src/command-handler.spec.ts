import { beforeEach, describe, expect, test } from '@jest/globals';
import { CommandHandler, type CommandHandlerOptions, type CommandMetadata } from './command-handler.js';
import { accept, reject, unchanged, type Decider, type Event } from './decider.js';
import type { Journal } from './journal.js';
import { MemoryStateStore } from './memory-state-store.js';
import type { Position } from './position.js';
import type { DecisionRecord, LoggedDecision } from './record.js';
import { Fault, type Rejection } from './rejection.js';
import { DecisionReplica } from './replica.js';

type SeatCommand = { type: 'Take'; by: string } | { type: 'Free' } | { type: 'Stamp' };
type SeatEvent = Event<'Taken', { by: string }> | Event<'Freed', null> | Event<'Stamped', { at: number }>;

const seat: Decider<{ by: string | null; stamps: number }, SeatCommand, SeatEvent, Rejection<'MR_SEAT_TAKEN'>> = {
  initial: () => ({ by: null, stamps: 0 }),
  evolve(state, event) {
    if (event.type === 'Stamped') return { ...state, stamps: state.stamps + 1 };
    return { ...state, by: event.type === 'Taken' ? event.data.by : null };
  },
  decide(command, state, { time }) {
    if (command.type === 'Stamp') return accept('Stamped', { at: time });
    if (command.type === 'Free') return state.by === null ? unchanged : accept('Freed', null);
    return state.by === null ? accept('Taken', { by: command.by }) : reject('MR_SEAT_TAKEN', `taken by ${state.by}`);
  },
};

/** Timers that fire when told to; time that stands still otherwise. */
class HandTime {
  time = 1_000;
  #due: { at: number; run: () => void }[] = [];
  now = () => this.time;
  after = (milliseconds: number, run: () => void) => {
    const entry = { at: this.time + milliseconds, run };
    this.#due.push(entry);
    return () => (this.#due = this.#due.filter((other) => other !== entry));
  };
  get pending(): number {
    return this.#due.length;
  }
  async pass(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds;
    for (;;) {
      await settled();
      const next = this.#due.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = until;
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** One partition in memory that every replica connected to it reads at once, unless it is told to hold back. */
class HandLog {
  readonly records: LoggedDecision[] = [];
  readonly replicas: DecisionReplica[] = [];
  /** What the next appends do instead of succeeding. */
  readonly script: ((record: DecisionRecord) => Promise<Position>)[] = [];
  appends = 0;
  ends = 0;
  holds = false;
  endFails = 0;
  endRefuses: Fault | undefined;

  put(record: DecisionRecord): Position {
    const position = { topic: 't', partition: 0, offset: this.records.length };
    // As the wire would: a copy.
    this.records.push({ ...(JSON.parse(JSON.stringify(record)) as DecisionRecord), position });
    if (!this.holds) this.deliver();
    return position;
  }

  deliver(): void {
    for (const replica of this.replicas) replica.apply(0, this.records.slice(replica.positions()[0]), this.records.length);
  }

  readonly journal: Journal = {
    append: async (record) => {
      this.appends++;
      const step = this.script.shift();
      return step ? await step(record) : this.put(record);
    },
    end: async () => {
      this.ends++;
      if (this.endRefuses) throw this.endRefuses;
      if (this.endFails-- > 0) throw new Fault('MR_LOG_UNAVAILABLE', 'no answer', true);
      this.deliver();
      return { topic: 't', partition: 0, offset: this.records.length };
    },
  };
}

let time: HandTime;
let log: HandLog;
let handler: CommandHandler;

function connect(writer: string, options: Partial<CommandHandlerOptions> = {}): CommandHandler {
  const replica = new DecisionReplica({ topic: 't', partitions: 1, aggregates: { seat }, store: new MemoryStateStore(), scheduler: time });
  log.replicas.push(replica);
  return new CommandHandler({ replica, journal: log.journal, clock: time, scheduler: time, writer, ...options });
}

const by = (commandId: string): CommandMetadata => ({ commandId, actor: 'ada', now: time.time });
const take = (who: string): SeatCommand => ({ type: 'Take', by: who });
const at = (offset: number) => ({ topic: 't', partition: 0, offset });
const unavailable = () => Promise.reject(new Fault('MR_LOG_UNAVAILABLE', 'no acknowledgement', true));

beforeEach(() => {
  time = new HandTime();
  log = new HandLog();
  handler = connect('w1');
});

describe('CommandHandler', () => {
  test('decides, appends one record, and answers with what the log says', async () => {
    const outcome = await handler.handle('seat/1', take('ada'), { ...by('c1'), traceparent: '00-ab-cd-01' });
    expect(outcome).toEqual({
      kind: 'accepted',
      event: { type: 'Taken', data: { by: 'ada' } },
      sequence: 1,
      position: at(0),
      repeated: false,
    });
    expect(log.records).toMatchObject([
      { type: 'Taken', version: 1, subject: 'seat/1', sequence: 1, commandId: 'c1', actor: 'ada', time: 1_000, traceparent: '00-ab-cd-01' },
    ]);
    expect(time.pending).toBe(0);
  });

  test('gives the same command id the first reply, on any replica, and writes nothing more', async () => {
    const other = connect('w2');
    await handler.handle('seat/1', { type: 'Stamp' }, by('c1'));
    time.time += 500;
    const first = { kind: 'accepted', event: { type: 'Stamped', data: { at: 1_000 } }, sequence: 1, position: at(0) };
    for (const repeated of [handler, other]) {
      expect(await repeated.handle('seat/1', { type: 'Stamp' }, by('c1'))).toMatchObject({ ...first, repeated: true });
    }
    expect(log.records.length).toBe(1);
    // The same id on another subject is another command: one request may make several.
    expect(await handler.handle('seat/2', { type: 'Stamp' }, by('c1'))).toMatchObject({ kind: 'accepted', repeated: false });
  });

  test('re-decides on the new state when it has lost a race', async () => {
    const other = connect('w2');
    log.holds = true;
    const [first, second] = [handler.handle('seat/1', take('ada'), by('c1')), other.handle('seat/1', take('bob'), by('c2'))];
    await settled();
    expect(log.records.map(({ sequence }) => sequence)).toEqual([1, 1]);
    log.holds = false;
    log.deliver();
    expect(await first).toMatchObject({ kind: 'accepted', sequence: 1 });
    expect(await second).toMatchObject({ kind: 'rejected', rejection: { code: 'MR_SEAT_TAKEN', message: 'taken by ada' } });
  });

  test('takes the same command from two replicas once', async () => {
    const other = connect('w2');
    log.holds = true;
    const answers = [handler, other].map((each) => each.handle('seat/1', { type: 'Stamp' }, by('c1')));
    await settled();
    log.holds = false;
    log.deliver();
    const outcomes = await Promise.all(answers);
    expect(outcomes).toMatchObject([
      { sequence: 1, position: at(0), repeated: false },
      { sequence: 1, position: at(0), repeated: true },
    ]);
  });

  test('refuses only after reading to the log’s end', async () => {
    const other = connect('w2');
    await handler.handle('seat/1', take('ada'), by('c1'));
    log.holds = true;
    await log.journal.append({ ...log.records[0]!, id: 'x', type: 'Freed', sequence: 2, commandId: 'c2', data: null });
    // Its replica still holds ada on the seat; the log's end knows better.
    expect(log.replicas[1]?.subject('seat/1').state).toMatchObject({ by: 'ada' });
    log.holds = false;
    expect(await other.handle('seat/1', take('bob'), by('c3'))).toMatchObject({ kind: 'accepted', sequence: 3 });
    expect(await other.handle('seat/1', take('cyd'), by('c4'))).toMatchObject({ kind: 'rejected' });
  });

  test('says where an unchanged subject stands, on an empty log too', async () => {
    expect(await handler.handle('seat/1', { type: 'Free' }, by('c1'))).toEqual({ kind: 'unchanged', sequence: 0, position: at(-1) });
    await handler.handle('seat/2', { type: 'Stamp' }, by('c2'));
    expect(await handler.handle('seat/1', { type: 'Free' }, by('c3'))).toEqual({ kind: 'unchanged', sequence: 0, position: at(0) });
  });

  test('finds its record in the log although the append failed', async () => {
    log.script.push(async (record) => {
      log.put(record);
      return await unavailable();
    });
    expect(await handler.handle('seat/1', take('ada'), by('c1'))).toMatchObject({ kind: 'accepted', sequence: 1, position: at(0) });
    expect(log.appends).toBe(1);
  });

  test('tries again when the append failed and left nothing, and takes the late record for its own when that wins', async () => {
    let late: DecisionRecord | undefined;
    log.script.push((record) => {
      late = record;
      return unavailable();
    });
    log.script.push(async (record) => {
      // The first arrives after all, just before the second.
      log.put(late!);
      return log.put(record);
    });
    const outcome = handler.handle('seat/1', { type: 'Stamp' }, by('c1'));
    await time.pass(1_000);
    expect(await outcome).toMatchObject({ kind: 'accepted', sequence: 1, position: at(0), repeated: true });
    expect(log.records.length).toBe(2);
    expect(log.replicas[0]?.subject('seat/1')).toMatchObject({ sequence: 1, state: { stamps: 1 } });
  });

  test('pauses longer and longer while appends fail, and stops at the deadline', async () => {
    for (let index = 0; index < 1_000; index++) log.script.push(unavailable);
    const failed = expect(handler.handle('seat/1', take('ada'), by('c1'))).rejects.toMatchObject({
      code: 'MR_DEADLINE_EXCEEDED',
      retryable: true,
      message: expect.stringMatching(/was not settled in time; it may still take effect.* \(no acknowledgement\)$/),
    });
    await time.pass(11_000);
    await failed;
    expect(log.appends).toBeGreaterThan(10);
    expect(log.appends).toBeLessThan(60);
  });

  test('an append that never answers ends at the deadline and does not hold up the next command', async () => {
    let hanging: DecisionRecord | undefined;
    log.script.push((record) => {
      hanging = record;
      return new Promise(() => undefined);
    });
    const first = expect(handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
    await time.pass(9_999);
    const second = handler.handle('seat/1', { type: 'Stamp' }, by('c2'));
    await time.pass(2);
    await first;
    expect(await second).toMatchObject({ kind: 'accepted', sequence: 1 });
    // The zombie is void; a retry of its command is a command of its own, whatever verdicts pass by.
    log.put(hanging!);
    expect(await handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).toMatchObject({ kind: 'accepted', sequence: 2, repeated: false });
    expect(new Set(log.records.map(({ id }) => id)).size).toBe(3);
  });

  test('waits for the log’s end to answer, within the deadline', async () => {
    log.endFails = 3;
    const outcome = handler.handle('seat/1', { type: 'Free' }, by('c1'));
    await time.pass(100);
    expect(await outcome).toMatchObject({ kind: 'unchanged' });
    log.endFails = Infinity;
    const failed = expect(handler.handle('seat/1', { type: 'Free' }, by('c2'))).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
    await time.pass(11_000);
    await failed;
  });

  test('passes on what cannot be mended by trying again', async () => {
    log.script.push(() => Promise.reject(new Fault('MR_RECORD_TOO_LARGE', 'too large', false)));
    await expect(handler.handle('seat/1', take('ada'), by('c1'))).rejects.toMatchObject({ code: 'MR_RECORD_TOO_LARGE' });
    expect(log.appends).toBe(1);
    await expect(handler.handle('desk/1', take('ada'), by('c2'))).rejects.toThrow(/no decider for subject desk\/1/);
  });

  test('passes on soon that the log is away, whatever the command would have done', async () => {
    const away = new Fault('MR_LOG_UNAVAILABLE', 'no broker', true, { isRefusal: true });
    log.script.push(() => Promise.reject(away));
    await expect(handler.handle('seat/1', take('ada'), by('c1'))).rejects.toBe(away);
    log.endRefuses = away;
    await expect(handler.handle('seat/1', { type: 'Free' }, by('c2'))).rejects.toBe(away);
    log.endRefuses = undefined;
    expect(await handler.handle('seat/1', take('bob'), by('c3'))).toMatchObject({ kind: 'accepted', sequence: 1 });
    expect(time.pending).toBe(0);
  });

  test('does not say that a command has no effect while an append of it may still come', async () => {
    const away = new Fault('MR_LOG_UNAVAILABLE', 'no broker', true, { isRefusal: true });
    let late: DecisionRecord | undefined;
    log.script.push((record) => {
      late = record;
      return unavailable();
    });
    for (let index = 0; index < 1_000; index++) log.script.push(() => Promise.reject(away));
    const failed = expect(handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
    await time.pass(9_000);
    // It comes when nobody looks for it any more: the command that is given again gets the reply to it.
    await time.pass(2_000);
    await failed;
    log.put(late!);
    expect(await handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).toMatchObject({ kind: 'accepted', sequence: 1, repeated: true });
  });

  test('gives up after so many lost races', async () => {
    handler = connect('w3', { maxAttempts: 3 });
    for (let index = 0; index < 5; index++) {
      log.script.push(async (record) => {
        log.put({ ...record, id: `thief ${index}`, commandId: `thief ${index}` });
        return log.put(record);
      });
    }
    await expect(handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).rejects.toMatchObject({ code: 'MR_CONTENTION', retryable: true });
    expect(log.replicas.at(-1)?.subject('seat/1').sequence).toBe(3);
  });

  test('lets commands of one subject take turns, and those of others pass', async () => {
    log.holds = true;
    const answers = ['c1', 'c2', 'c3'].map((id) => handler.handle('seat/1', { type: 'Stamp' }, by(id)));
    const other = handler.handle('seat/2', { type: 'Stamp' }, by('c4'));
    await settled();
    expect(log.records.map(({ subject }) => subject)).toEqual(['seat/1', 'seat/2']);
    expect(handler.inFlight).toBe(4);
    log.holds = false;
    log.deliver();
    const outcomes = await Promise.all([...answers, other]);
    expect(outcomes.map((outcome) => outcome.kind === 'accepted' && outcome.sequence)).toEqual([1, 2, 3, 1]);
    expect(log.replicas[0]?.counts.void).toBe(0);
    await settled();
    expect(handler.inFlight).toBe(0);
  });

  test('refuses more commands than it may have in hand', async () => {
    handler = connect('w2', { maxInFlight: 2 });
    log.holds = true;
    const taken = ['c1', 'c2'].map((id) => handler.handle('seat/1', { type: 'Stamp' }, by(id)));
    await expect(handler.handle('seat/9', { type: 'Stamp' }, by('c3'))).rejects.toMatchObject({
      code: 'MR_COMMANDS_OVERLOADED',
      retryable: true,
    });
    log.holds = false;
    log.deliver();
    await Promise.all(taken);
    await settled();
    expect(await handler.handle('seat/9', { type: 'Stamp' }, by('c3'))).toMatchObject({ kind: 'accepted' });
  });

  test('counts the time a command waits for its turn', async () => {
    log.script.push(() => new Promise(() => undefined));
    const first = expect(handler.handle('seat/1', { type: 'Stamp' }, by('c1'))).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
    const second = expect(handler.handle('seat/1', { type: 'Stamp' }, by('c2'))).rejects.toMatchObject({ code: 'MR_DEADLINE_EXCEEDED' });
    await time.pass(10_001);
    await Promise.all([first, second]);
    expect(log.appends).toBe(1);
  });
});
