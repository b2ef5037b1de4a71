// One writer of the hammer, a process of its own:
//   node chaos/dist/hammer/hammer-writer.js --brokers HOST:PORT --topic TOPIC --writer NAME --writers 2 --strokes 1000
// Strikes one subject through the generic command handler, as fast as the verdicts come back, while the others do the same. The last
// line it prints is a HammerReport as JSON.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { decodeDecision, LogJournal } from '@millrace/event-log';
import { KafkaEventLog } from '@millrace/event-log-kafka';
import { timerScheduler } from '@millrace/event-log/local';
import { canonical, CommandHandler, DecisionReplica, isFault, MemoryStateStore, type LoggedDecision } from '@millrace/kernel';
import { anvil, meeting, type Anvil, type Meeting } from './hammer.decider.js';

export interface HammerReport {
  readonly writer: string;
  readonly anvil: Anvil;
  readonly anvilSequence: number;
  /** Sequences this writer was told were its own. */
  readonly accepted: readonly number[];
  readonly counts: { readonly accepted: number; readonly void: number; readonly unknown: number };
  readonly digest: string;
  /** Of one command, from the call to its verdict, in milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number };
}

const DOMAIN = 'hammer';
const PARTITIONS = 1;
const ANVIL = 'anvil/1';

const { values } = parseArgs({
  options: {
    brokers: { type: 'string' },
    topic: { type: 'string' },
    writer: { type: 'string' },
    writers: { type: 'string', default: '2' },
    strokes: { type: 'string', default: '1000' },
  },
});
const { brokers, topic, writer } = values;
if (!brokers || !topic || !writer) throw new Error('--brokers, --topic and --writer are required');
const writers = Number(values.writers);
const strokes = Number(values.strokes);

const log = await KafkaEventLog.connect({ brokers: brokers.split(','), clientId: writer });
await log.ensureTopic({ name: topic, partitions: PARTITIONS, retention: 'forever' });
const replica = new DecisionReplica({
  topic,
  partitions: PARTITIONS,
  aggregates: { anvil, meeting },
  store: new MemoryStateStore(),
  scheduler: timerScheduler,
});
let changed = () => {};
const subscription = await log.subscribe({
  topic,
  from: (partition) => replica.positions()[partition] as number,
  onBatch: async (batch) => {
    const decisions = batch.records.map((record): LoggedDecision => {
      const decoded = decodeDecision(DOMAIN, record);
      if (!decoded.ok) throw new Error(decoded.reason);
      return decoded.value;
    });
    replica.apply(batch.partition, decisions, batch.nextOffset);
    changed();
  },
});
const handler = new CommandHandler({
  replica,
  journal: new LogJournal(log, DOMAIN, topic, PARTITIONS),
  clock: Date,
  scheduler: timerScheduler,
  writer,
});

/** Handles a command until it is settled: a fault that says "retry" is retried under the same id, as a client would. */
async function handle(subject: string, command: { type: string; writer: string; number?: number }, commandId: string): Promise<number> {
  for (;;) {
    try {
      const outcome = await handler.handle(subject, command, { commandId, actor: command.writer, now: Date.now() });
      if (outcome.kind !== 'accepted') throw new Error(`${commandId} was ${outcome.kind}`);
      return outcome.sequence;
    } catch (error) {
      if (!isFault(error) || !error.retryable) throw error;
    }
  }
}

async function meet(name: string): Promise<void> {
  const subject = `meeting/${name}`;
  await handle(subject, { type: 'Arrive', writer: writer as string }, `${writer}-at-${name}`);
  while ((replica.subject(subject).state as Meeting).present.length < writers) await new Promise<void>((resolve) => (changed = resolve));
}

await meet('before');
const accepted: number[] = [];
const latencies: number[] = [];
for (let number = 1; number <= strokes; number++) {
  const started = performance.now();
  accepted.push(await handle(ANVIL, { type: 'Strike', writer, number }, `${writer}-${number}`));
  latencies.push(performance.now() - started);
}
await meet('after');

// Losers' records may still come behind the last verdict; replicas are compared at the same place.
const [end] = await log.end(topic);
await replica.waitFor({ topic, partition: 0, offset: (end as number) - 1 }, 30_000);
await subscription.stop();
const { sequence, state } = replica.subject(ANVIL);
latencies.sort((a, b) => a - b);
const percentile = (p: number) => Number((latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * p))] ?? 0).toFixed(2));
const report: HammerReport = {
  writer,
  anvil: state as Anvil,
  anvilSequence: sequence,
  accepted,
  counts: replica.counts,
  digest: createHash('sha256')
    .update(`${sequence} ${canonical(state)}`)
    .digest('hex'),
  latency: { p50: percentile(0.5), p99: percentile(0.99), max: percentile(1) },
};
console.log(JSON.stringify(report));
await log.close();
