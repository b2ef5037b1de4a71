import { canonical, DecisionReplica, isFault, MemoryStateStore, type StateStore } from '@millrace/kernel';
import { digestOf } from '@millrace/kernel/testing';
import { BAD_DAY } from '../faults.js';
import { SimulatedBroker } from '../simulated-broker.js';
import { ledger, type LedgerCommand } from './ledger.decider.js';
import { RaceHistory, type Call } from './race-history.js';
import { decodeAll, PARTITIONS, RaceProcess, SurvivingStateStore, TOPIC, type Mutation } from './race-process.js';

export interface RaceReport {
  readonly seed: number;
  /** What was found to be wrong, in words. Empty: the race was fair. */
  readonly faults: readonly string[];
  readonly writers: number;
  readonly calls: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Commands that were not answered, or with a fault. */
  readonly unknown: number;
  readonly voidRecords: number;
  readonly crashes: number;
}

const MOST_CALLS_TRIES = 4;

/** One process slot of the race: the process that holds it now, and the state it leaves to the next. */
interface Slot {
  process: RaceProcess;
  readonly store: SurvivingStateStore;
  lives: number;
}

/**
 * One race, decided by its seed alone: two to five processes, one to three subjects, a log on a bad day. Clients send commands to
 * any process, give the same command to two of them, and ask again with the same id when they are not answered; processes crash and
 * come back with what they had stored. In the end everything that was said is held against the log.
 */
export async function runRace(seed: number, mutation?: Mutation): Promise<RaceReport> {
  const broker = new SimulatedBroker({ seed, faults: BAD_DAY });
  const { random, time } = broker;
  broker.makeTopic({ name: TOPIC, partitions: PARTITIONS, retention: 'forever' });
  const history = new RaceHistory(broker);
  const slots: Slot[] = Array.from({ length: random.between(2, 5) }, (_, slot) => {
    const store = new SurvivingStateStore();
    return { process: new RaceProcess(broker, `${slot}.0`, store, mutation), store, lives: 1 };
  });
  const subjects = Array.from({ length: random.between(1, 3) }, (_, index) => `ledger/${index}`);
  const calls: Call[] = [];
  let [open, crashes, unknown] = [0, 0, 0];

  const ask = async (commandId: string, subject: string, command: LedgerCommand, triesLeft: number): Promise<void> => {
    const call: Call = { subject, commandId, command, acceptedBefore: history.acceptedOf(subject).length, acceptedAfter: 0 };
    calls.push(call);
    const slot = random.pick(slots);
    const { process } = slot;
    const answer = process.handle(subject, command, { commandId, actor: 'racer', now: time.now() });
    // A crashed process answers nothing, and its handler must not be heard any more.
    const outcome = await Promise.race([answer, time.pass(4_000)]).catch((error: unknown) => {
      if (!isFault(error) || !error.retryable) throw error;
      return undefined;
    });
    call.acceptedAfter = history.acceptedOf(subject).length;
    if (outcome && process === slot.process) call.outcome = outcome;
    else if (triesLeft > 0) await ask(commandId, subject, command, triesLeft - 1);
    else unknown++;
  };
  const begin = (commandId: string, subject: string, command: LedgerCommand) => {
    open++;
    time.after(random.between(0, 300), () => void ask(commandId, subject, command, MOST_CALLS_TRIES).then(() => open--, fail));
  };
  let failure: Error | undefined;
  const fail = (error: Error) => (failure ??= error);

  const commands = random.between(10, 30);
  for (let index = 0; index < commands; index++) {
    const [commandId, subject, command] = [`c${index}`, random.pick(subjects), commandOf(random.next(), random.between(1, 9))];
    begin(commandId, subject, command);
    if (random.chance(0.2)) begin(commandId, subject, command);
  }
  for (let index = random.between(0, 3); index > 0; index--) {
    time.after(random.between(10, 400), () => {
      const slot = random.pick(slots);
      slot.process.crash();
      slot.process = new RaceProcess(broker, `${slots.indexOf(slot)}.${slot.lives++}`, slot.store, mutation);
      crashes++;
    });
  }
  const isOver = () => failure !== undefined || (open === 0 && broker.isQuiet && slots.every(({ process }) => process.isCaughtUp));
  const faults: string[] = [];
  try {
    await time.until(isOver, 'every command answered, nothing underway, every replica caught up', 200_000);
    if (failure) faults.push(`a handler failed: ${failure.message}`);
  } catch (error) {
    faults.push(String(error));
  }
  faults.push(...history.faultsOf(calls), ...(await differences(broker, slots)));
  const count = (kind: string) => calls.filter((call) => call.outcome?.kind === kind).length;
  const { voidRecords } = history;
  const [accepted, rejected] = [count('accepted'), count('rejected')];
  return { seed, faults, writers: slots.length, calls: calls.length, accepted, rejected, unknown, voidRecords, crashes };
}

function commandOf(kind: number, amount: number): LedgerCommand {
  if (kind < 0.5) return { type: 'Deposit', amount };
  return kind < 0.96 ? { type: 'Withdraw', amount } : { type: 'Close' };
}

/** Every process's replica, and fresh ones that fold the log in batches of 1, 7 and 1,000, must hold the same. */
async function differences(broker: SimulatedBroker, slots: readonly Slot[]): Promise<string[]> {
  const fresh = await Promise.all([1, 7, 1_000].map((size) => digestInBatches(broker, size)));
  const held = await Promise.all(slots.map(({ process }) => digestOf(process.replica).catch((error: unknown) => String(error))));
  const distinct = new Set([...fresh, ...held]);
  return distinct.size === 1 ? [] : [`replicas differ: ${canonical({ fresh, held })}`];
}

async function digestInBatches(broker: SimulatedBroker, size: number): Promise<string> {
  const store: StateStore = new MemoryStateStore();
  const replica = new DecisionReplica({ topic: TOPIC, partitions: PARTITIONS, aggregates: { ledger }, store, scheduler: broker.time });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records = decodeAll(broker.records(TOPIC, partition));
    for (let at = 0; at < records.length; at += size)
      replica.apply(partition, records.slice(at, at + size), Math.min(at + size, records.length));
  }
  return await digestOf(replica);
}
