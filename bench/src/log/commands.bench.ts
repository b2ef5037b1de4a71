import { decodeDecision, LogConsumer, LogJournal } from '@millrace/event-log';
import { LmdbEventLog } from '@millrace/event-log-lmdb';
import { timerScheduler } from '@millrace/event-log/local';
import {
  accept,
  CommandHandler,
  DecisionReplica,
  reject,
  type Decider,
  type Event,
  type LoggedDecision,
  type Rejection,
} from '@millrace/kernel';
import { LmdbStateStore } from '@millrace/state-store';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareSyncs } from '../bare-syncs.js';
import { quantile, runAlone, type BenchResult } from '../bench-result.js';

const TOPIC = 'millrace.bench.decisions';
const PARTITIONS = 4;
const SUBJECTS = 256;
const CONCURRENCY = 512;
const COMMANDS = 200_000;
const RATE = 1_000;
const RATE_SECONDS = 15;
/** As the service kit does it. */
const FLUSH_EVERY_MS = 200;

const clock = { now: () => Date.now() };

type Account = { balance: number; count: number };
type AccountCommand = { type: 'Deposit' | 'Withdraw'; amount: number };
type AccountEvent = Event<'Deposited' | 'Withdrawn', { amount: number; balance: number }>;

const account: Decider<Account, AccountCommand, AccountEvent, Rejection<'MR_BENCH_OVERDRAWN'>> = {
  initial: () => ({ balance: 0, count: 0 }),
  evolve: (state, event) => ({ balance: event.data.balance, count: state.count + 1 }),
  decide(command, state) {
    const { amount } = command;
    if (command.type === 'Deposit') return accept('Deposited', { amount, balance: state.balance + amount });
    if (amount > state.balance) return reject('MR_BENCH_OVERDRAWN', `${amount} is more than ${state.balance}`);
    return accept('Withdrawn', { amount, balance: state.balance - amount });
  },
};

/** Commands through the whole write path: fold, decide, durable append, read back, state stored beside. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-commands-'));
  const domain = await openDomain(directory);
  try {
    await closedLoop(domain.handler, 20_000);
    const throughput = await closedLoop(domain.handler, COMMANDS);
    const latencies = await openLoop(domain.handler, RATE, RATE * RATE_SECONDS);
    const syncs = await bareSyncs(join(directory, 'bare'), 2_000);
    const at = (share: number) => quantile(latencies, share);
    const open = `open loop at ${RATE.toLocaleString('en-GB')} commands/s`;
    return [
      {
        name: 'commands',
        metric: `durable, ${SUBJECTS} subjects, ${CONCURRENCY} at once`,
        value: throughput,
        unit: 'commands/s',
        target: '>= 10,000',
        pass: throughput >= 10_000,
      },
      { name: 'commands', metric: `p50, ${open}`, value: at(0.5), unit: 'ms', ...beside(at(0.5), quantile(syncs, 0.5)), pass: true },
      {
        name: 'commands',
        metric: `p99, ${open}`,
        value: at(0.99),
        unit: 'ms',
        target: '<= 10',
        ...beside(at(0.99), quantile(syncs, 0.99)),
        pass: at(0.99) <= 10,
      },
      { name: 'commands', metric: `p99.9, ${open}`, value: at(0.999), unit: 'ms', pass: true },
    ];
  } finally {
    await domain.close();
    await rm(directory, { recursive: true });
  }
}

async function openDomain(directory: string): Promise<{ handler: CommandHandler; close: () => Promise<void> }> {
  const log = await LmdbEventLog.open({ path: join(directory, 'log.mdb') });
  const store = await LmdbStateStore.open({ path: join(directory, 'state.mdb'), version: '1' });
  await log.ensureTopic({ name: TOPIC, partitions: PARTITIONS, retention: 'forever' });
  const replica = new DecisionReplica({ topic: TOPIC, partitions: PARTITIONS, aggregates: { account }, store, scheduler: timerScheduler });
  const consumer = new LogConsumer<LoggedDecision>({
    log,
    name: 'bench.replica',
    topic: TOPIC,
    from: (partition) => replica.positions()[partition] as number,
    decode: (record) => decodeDecision('bench', record),
    handle: async ({ partition, items, nextOffset }) => {
      replica.apply(
        partition,
        items.map(({ value }) => value),
        nextOffset,
      );
      return { kind: 'ok' };
    },
    scheduler: timerScheduler,
    now: () => Date.now(),
  });
  await consumer.start();
  const flushing = setInterval(() => void replica.flush(), FLUSH_EVERY_MS);
  const journal = new LogJournal(log, 'bench', TOPIC, PARTITIONS);
  const handler = new CommandHandler({ replica, journal, clock, scheduler: timerScheduler, writer: 'bench' });
  return {
    handler,
    async close() {
      clearInterval(flushing);
      await consumer.stop();
      await replica.flush();
      await store.close();
      await log.close();
    },
  };
}

let commandCount = 0;

async function command(handler: CommandHandler): Promise<void> {
  const count = ++commandCount;
  const outcome = await handler.handle(`account/${count % SUBJECTS}`, { type: 'Deposit', amount: 1 } as AccountCommand, {
    commandId: `0199c5c2-7c1e-7b52-9d0f-${count.toString(16).padStart(12, '0')}`,
    actor: 'bench',
    now: clock.now(),
  });
  if (outcome.kind !== 'accepted') throw new Error(`a deposit was ${outcome.kind}`);
}

/** Commands per second when there are always as many under way. */
async function closedLoop(handler: CommandHandler, commands: number): Promise<number> {
  let left = commands;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) await command(handler);
    }),
  );
  return (commands * 1000) / (performance.now() - started);
}

/**
 * Latencies in ascending order when commands come at their times whether or not earlier ones are answered. Each is measured from when it
 * should have begun, so a stall counts for all who had to wait behind it.
 */
async function openLoop(handler: CommandHandler, rate: number, commands: number): Promise<number[]> {
  const latencies: number[] = [];
  const running: Promise<void>[] = [];
  const started = performance.now();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const send = () => {
      const due = Math.min(commands, Math.floor(((performance.now() - started) * rate) / 1000));
      for (; sent < due; sent++) {
        const at = started + (sent * 1000) / rate;
        running.push(command(handler).then(() => void latencies.push(performance.now() - at)));
      }
      if (sent >= commands) resolve();
      else setTimeout(send, 1);
    };
    send();
  });
  await Promise.all(running);
  return latencies.sort((a, b) => a - b);
}

function beside(ours: number, bare: number): Pick<BenchResult, 'peer' | 'peerValue' | 'ratio'> {
  return { peer: 'a bare fdatasync', peerValue: bare, ratio: bare / ours };
}

await runAlone(import.meta.url, run);
