import { outputHeaders, outputId, type OutputPlace } from '@millrace/contracts';
import {
  deadLetterOf,
  deadLetterTopic,
  encodeFact,
  formatEventType,
  WrittenLetters,
  type BatchResult,
  type Item,
  type ItemBatch,
  type LogConsumer,
  type NewRecord,
} from '@millrace/event-log';
import { readSourceRecord, type SourceEvent } from '@millrace/feature-engine';
import { isFault } from '@millrace/kernel';
import { isRefusal } from '../domain/refusal.js';
import type { StreamPredicted } from '../domain/stream/stream-output.js';
import { RunTurns } from '../runner/run-turns.js';
import { eventPredictor, type EventOutcome, type PredictEvent } from './predict-event.js';
import { StreamPartition } from './stream-partition.js';
import type { StreamPlan } from './stream-plan.js';
import type { StreamsHost } from './streams-host.js';

/** Events without an output, behind the last with one, are told on the log when they are so many or done for so long, so that nobody looks at them again. */
const TELL_AFTER = 1_000;
const TELL_AFTER_MS = 5_000;
const LOOK_EVERY_MS = 2_000;
/** What `maxBatchRecords` may be at most: what it was for who had a partition before is not known. */
const LARGEST_BATCH = 10_000;
/** Who had a partition before had at most so many events without an output that the log does not tell of, and one batch with the model. */
const MOST_TRIED_BEFORE = TELL_AFTER + 2 * LARGEST_BATCH;
const SOURCE = '/millrace/inference';
const TYPE = formatEventType({ domain: 'inference', name: 'StreamPredicted', version: 1 });

type Letter = { readonly item: Item<SourceEvent>; readonly reason: string };
type Done = { readonly item: Item<SourceEvent>; readonly outcome: Exclude<EventOutcome, { kind: 'again' }> };

/**
 * One stream in this process: reads its share of the partitions, predicts, writes. A batch's predictions and letters are on the log before its outputs,
 * and its outputs before the next batch is begun; so what lies before the last output of a partition is done, and whoever takes the partition up
 * goes on behind it. It holds no lease: two that have a partition at the same time write the same outputs, of which the first count.
 */
export class RunningStream {
  readonly #partitions = new Map<number, StreamPartition>();
  readonly #turns: RunTurns;
  readonly #written: WrittenLetters;
  #inFlight = 0;
  #consumer: LogConsumer<SourceEvent> | undefined;
  #cancelLook: (() => void) | undefined;
  #isStopped = false;

  constructor(
    private readonly host: StreamsHost,
    readonly plan: StreamPlan,
  ) {
    this.#turns = new RunTurns(plan.maxInFlight);
    const { topic } = plan.source;
    this.#written = new WrittenLetters({ log: host.log, topic, consumer: consumerName(plan.name), since: host.begunAt(plan) });
  }

  /** Events that are with the model now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get partitions(): ReadonlyMap<number, StreamPartition> {
    return this.#partitions;
  }

  async start(): Promise<void> {
    const { plan, host } = this;
    this.#consumer = await host.consumers.add<SourceEvent>({
      name: consumerName(plan.name),
      topic: plan.source.topic,
      shared: true,
      mustCatchUp: false,
      holds: `the place of stream ${plan.name} (delete the stream and apply it again)`,
      maxBatchRecords: plan.maxBatchRecords,
      from: async (partition) => {
        const next = await host.position(plan, partition);
        // Of what comes to the topic from now on nobody has tried anything.
        const end = (await host.log.end(plan.source.topic))[partition] ?? next;
        this.#partitions.set(partition, new StreamPartition(next, { end, most: MOST_TRIED_BEFORE }));
        this.#written.begin(partition, next);
        return next;
      },
      decode: (record) => readSourceRecord(plan.source, plan.format, record),
      handle: (batch) => this.#handle(batch),
      onRevoked: (partitions) => {
        for (const partition of partitions) this.#partitions.delete(partition);
      },
    });
    this.#look();
  }

  /** Lets the running batches settle, and tells how far they came. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    const own = [...this.#partitions];
    if (this.#consumer) await this.host.consumers.remove(this.#consumer);
    this.#partitions.clear();
    // A log that is away, or a generation that is over, keeps nobody from stopping: the letters that are written are looked up.
    await Promise.allSettled(own.map(([partition, state]) => this.#tell(partition, state)));
  }

  async #tell(partition: number, state: StreamPartition): Promise<void> {
    const { next, untold } = state;
    if (untold === 0) return;
    await this.host.progressed(this.plan, partition, next);
    state.told(next);
  }

  /** What is on the source's topic behind the batches, also while they do not get on. */
  #look(): void {
    if (this.#isStopped) return;
    this.#cancelLook = this.host.scheduler.after(LOOK_EVERY_MS, () => {
      const again = (): void => this.#look();
      void this.host.log
        .end(this.plan.source.topic)
        .then((ends) => {
          for (const [partition, state] of this.#partitions) state.end = Math.max(state.end, ends[partition] ?? 0);
          const now = this.host.clock.now();
          const due = [...this.#partitions].filter(([, state]) => state.untoldMs(now) >= TELL_AFTER_MS);
          return Promise.all(due.map(([partition, state]) => this.#tell(partition, state)));
        })
        .then(again, again);
    });
  }

  async #handle(batch: ItemBatch<SourceEvent>): Promise<BatchResult> {
    const { partition, items, nextOffset } = batch;
    const state = this.#partitions.get(partition);
    if (!state) return { kind: 'retry', reason: `partition ${partition} is being given up` };
    state.end = Math.max(state.end, batch.end);
    try {
      if (state.isUncertain) {
        state.told(await this.host.position(this.plan, partition));
        state.isUncertain = false;
      }
      const open = items.filter(({ record }) => record.offset >= state.next);
      state.waitingSince = open[0]?.record.timestamp;
      const { done, again } = await this.#predict(state, open);
      await this.#write(state, done);
      const lastOutput = done.findLast(({ outcome }) => outcome.kind === 'output')?.item.record.offset;
      const last = done.at(-1)?.item.record.offset;
      state.advance(again ? (last === undefined ? state.next : last + 1) : nextOffset, lastOutput);
      if (state.untold >= TELL_AFTER) await this.#tell(partition, state);
      if (again) return this.#troubled(state, again.reason, again.code);
      state.trouble = undefined;
      state.waitingSince = state.lag === 0 ? undefined : (items.at(-1)?.record.timestamp ?? state.waitingSince);
      return { kind: 'ok' };
    } catch (error) {
      this.#written.forget(partition);
      const code = isRefusal(error) || isFault(error) ? error.code : undefined;
      return this.#troubled(state, error instanceof Error ? error.message : String(error), code);
    }
  }

  #troubled(state: StreamPartition, reason: string, code: string | undefined): BatchResult {
    state.trouble = { reason, code };
    this.host.metrics.retries.inc({ stream: this.plan.name });
    return { kind: 'retry', reason };
  }

  /** The events that are decided, up to the first that is not. */
  async #predict(
    state: StreamPartition,
    items: readonly Item<SourceEvent>[],
  ): Promise<{ readonly done: readonly Done[]; readonly again: (EventOutcome & { kind: 'again' }) | undefined }> {
    if (items.length === 0) return { done: [], again: undefined };
    const predict = await eventPredictor(this.host.predicting, this.plan);
    const outcomes = state.isCareful ? await this.#oneByOne(predict, state, items) : await this.#together(predict, state, items);
    const done: Done[] = [];
    for (const [index, found] of outcomes.entries()) {
      const item = items[index] as Item<SourceEvent>;
      const outcome = state.judged(item.record.offset, found);
      if (outcome.kind === 'again') return { done, again: outcome };
      done.push({ item, outcome });
    }
    return { done, again: undefined };
  }

  #together(predict: PredictEvent, state: StreamPartition, items: readonly Item<SourceEvent>[]): Promise<EventOutcome[]> {
    return Promise.all(items.map((item) => this.#one(predict, state, item)));
  }

  async #oneByOne(predict: PredictEvent, state: StreamPartition, items: readonly Item<SourceEvent>[]): Promise<EventOutcome[]> {
    const outcomes: EventOutcome[] = [];
    for (const item of items) {
      const outcome = await this.#one(predict, state, item);
      outcomes.push(outcome);
      if (outcome.kind === 'again') break;
    }
    return outcomes;
  }

  async #one(predict: PredictEvent, state: StreamPartition, { value, record }: Item<SourceEvent>): Promise<EventOutcome> {
    const mayRepeat = state.tries(record.offset);
    const release = await this.#turns.take();
    this.#inFlight++;
    try {
      return await predict(value, mayRepeat);
    } finally {
      this.#inFlight--;
      release();
    }
  }

  async #write(state: StreamPartition, done: readonly Done[]): Promise<void> {
    if (done.length === 0) return;
    const { log, metrics } = this.host;
    const { name: stream } = this.plan;
    await this.host.predictionsWritten();
    const letters = done.flatMap(({ item, outcome }) => (outcome.kind === 'letter' ? [{ item, reason: outcome.reason }] : []));
    await this.#letters(letters);
    const outputs = done.flatMap(({ item, outcome }) => (outcome.kind === 'output' ? [{ item, record: this.#record(item, outcome) }] : []));
    try {
      await log.append(outputs.map(({ record }) => record));
      metrics.outputs.inc({ stream }, outputs.length);
    } catch (error) {
      // Whether it came through or not, and how far: what is there is not written again.
      state.isUncertain = true;
      if (!isFault(error) || error.code !== 'MR_RECORD_TOO_LARGE') throw error;
      await this.#writeOneByOne(outputs);
      state.isUncertain = false;
    }
  }

  /** One of them is too large for the topic, and that one is done with. */
  async #writeOneByOne(outputs: readonly { readonly item: Item<SourceEvent>; readonly record: NewRecord }[]): Promise<void> {
    for (const { item, record } of outputs) {
      try {
        await this.host.log.append([record]);
        this.host.metrics.outputs.inc({ stream: this.plan.name });
      } catch (error) {
        if (!isFault(error) || error.code !== 'MR_RECORD_TOO_LARGE') throw error;
        await this.#letters([{ item, reason: `its output cannot be written: ${error.message}` }]);
      }
    }
  }

  async #letters(letters: readonly Letter[]): Promise<void> {
    const { log, clock, metrics } = this.host;
    const { name, source } = this.plan;
    const open: Letter[] = [];
    for (const letter of letters) if (!(await this.#written.has(letter.item.record))) open.push(letter);
    if (open.length === 0) return;
    await log.ensureTopic(deadLetterTopic(source.topic));
    await log.append(
      open.map(({ item, reason }) => deadLetterOf(item.record, consumerName(name), { code: 'REFUSED', message: reason }, clock.now())),
    );
    metrics.letters.inc({ stream: name }, open.length);
  }

  #record({ record }: Item<SourceEvent>, { place, data }: { readonly place: OutputPlace; readonly data: StreamPredicted }): NewRecord {
    const { outputTopic, name } = this.plan;
    const fact = { id: outputId(place), type: TYPE, source: SOURCE, subject: `stream/${name}`, time: this.host.clock.now(), data };
    const encoded = encodeFact(outputTopic, record.key, fact);
    return { ...encoded, partition: record.partition, headers: { ...encoded.headers, ...outputHeaders(place) } };
  }
}

/** Also the group by which processes share the partitions, and whose the letters are. */
export function consumerName(stream: string): string {
  return `inference.stream.${stream}`;
}
