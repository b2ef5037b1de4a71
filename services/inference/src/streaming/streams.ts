import { Fault, isFault, type Ids } from '@millrace/kernel';
import type { Resource, ResourceCatalog } from '@millrace/resources';
import type { DomainLog } from '@millrace/service';
import { streamSubject, type StreamCommand, type StreamRejection, type StreamState } from '../domain/stream/stream.decider.js';
import type { StreamEvent } from '../domain/stream/stream.events.js';
import { findLastOutput } from './find-last-output.js';
import { planStream, type StreamPlan } from './stream-plan.js';
import { RunningStream } from './running-stream.js';
import type { StreamsHost } from './streams-host.js';

export interface StreamsOptions extends Omit<StreamsHost, 'position' | 'begunAt' | 'progressed'> {
  readonly catalog: ResourceCatalog;
  readonly domain: DomainLog;
  readonly ids: Ids;
  /** Brings outputs of a topic into the table that analysts read. */
  readonly project: (outputTopic: string) => Promise<void>;
  readonly observer: {
    /** It cannot begin, or go on; it is tried again. */
    troubled(stream: string, reason: string): void;
    started(stream: string, version: number): void;
  };
}

/** `waiting`: for something that is not there, or away. `blocked`: for somebody to change its definition. `stalled`: some partition does not get on. */
export type StreamStatus = 'running' | 'stalled' | 'waiting' | 'blocked' | 'suspended';

export interface ShownPartition {
  readonly partition: number;
  /** Offset of the first event that is not done with. */
  readonly next: number;
  readonly end: number;
  readonly lag: number;
  /** Age of the oldest event that waits, in milliseconds; null where another process has the partition. */
  readonly lagMs: number | null;
  /** Whether this process has it. */
  readonly isHere: boolean;
  readonly trouble: string | null;
}

export interface ShownStream {
  readonly resource: Resource<'StreamingInference'>;
  readonly status: StreamStatus;
  readonly reason: string | null;
  readonly topic: string | null;
  readonly startedAt: number | null;
  readonly partitions: readonly ShownPartition[];
}

interface Entry {
  worker: RunningStream | undefined;
  /** Why there is no worker. */
  idle: { readonly status: 'waiting' | 'blocked' | 'suspended'; readonly reason: string | null } | undefined;
  turn: Promise<void>;
  cancelRetry: (() => void) | undefined;
  tries: number;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const ACTOR = 'inference';

/** Keeps a worker for every StreamingInference that is applied and not suspended, and tells where each stands. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ends: (() => void)[] = [];
  #isStopped = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** Begins once the resources are folded: a definition of yesterday must not run until today's is read. */
  start(): void {
    const { catalog } = this.#options;
    this.#ends.push(
      catalog.onChange('StreamingInference', ({ name }) => this.#look(name)),
      catalog.onChange('Source', ({ name: source }) => {
        for (const { name, spec } of catalog.list('StreamingInference')) if (spec.source === source) this.#look(name);
      }),
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#ends) end();
    for (const entry of this.#entries.values()) entry.cancelRetry?.();
    await Promise.all([...this.#entries.values()].map(({ turn }) => turn));
    await Promise.all([...this.running()].map((worker) => worker.stop()));
  }

  *running(): Generator<RunningStream> {
    for (const { worker } of this.#entries.values()) if (worker) yield worker;
  }

  list(): readonly Resource<'StreamingInference'>[] {
    return this.#options.catalog.list('StreamingInference');
  }

  async show(name: string): Promise<ShownStream | undefined> {
    const { catalog, domain } = this.#options;
    const resource = catalog.get('StreamingInference', name);
    if (!resource) return undefined;
    await domain.barrier();
    const state = this.#state(name);
    const found = planStream(resource, catalog);
    const plan = 'plan' in found ? found.plan : undefined;
    const partitions = plan && state.status === 'started' && state.generation === plan.generation ? await this.#partitions(plan) : [];
    return {
      ...{ resource, ...this.#statusOf(resource, partitions), partitions },
      topic: plan?.source.topic ?? null,
      startedAt: state.status === 'started' ? state.startedAt : null,
    };
  }

  #statusOf(
    { name, spec }: Resource<'StreamingInference'>,
    partitions: readonly ShownPartition[],
  ): { readonly status: StreamStatus; readonly reason: string | null } {
    if (spec.suspended === true) return { status: 'suspended', reason: null };
    const entry = this.#entries.get(name);
    if (entry?.idle) return entry.idle;
    if (!this.#options.predicting.directory.deployments().some((deployment) => deployment.name === spec.deployment))
      return { status: 'waiting', reason: `Deployment ${spec.deployment} is not there; apply it` };
    const stalled = partitions.find(({ trouble }) => trouble !== null);
    if (stalled) return { status: 'stalled', reason: stalled.trouble };
    return entry?.worker ? { status: 'running', reason: null } : { status: 'waiting', reason: 'it is being started' };
  }

  async #partitions(plan: StreamPlan): Promise<ShownPartition[]> {
    const { log, clock } = this.#options;
    const here = this.#entries.get(plan.name)?.worker?.partitions;
    const ends = (await log.partitions(plan.source.topic)) === undefined ? [] : await log.end(plan.source.topic);
    const isWritten = (await log.partitions(plan.outputTopic)) !== undefined;
    return Promise.all(
      ends.map(async (end, partition): Promise<ShownPartition> => {
        const own = here?.get(partition);
        const next = own?.next ?? (isWritten ? await this.position(plan, partition) : 0);
        const lag = Math.max(0, end - next);
        const trouble = own?.trouble?.reason ?? null;
        return {
          partition,
          next,
          end,
          lag,
          lagMs: own ? (lag === 0 ? 0 : own.lagMs(clock.now())) : null,
          isHere: own !== undefined,
          trouble,
        };
      }),
    );
  }

  /** Offset of the first event of a partition that has neither an output nor a letter that the log tells of. */
  async position(plan: StreamPlan, partition: number): Promise<number> {
    const state = this.#state(plan.name);
    if (state.status === 'absent' || state.generation !== plan.generation)
      throw new Fault(
        'MR_INFERENCE_STREAM_GENERATION_OVER',
        `generation ${plan.generation} of stream ${plan.name} is not the one at work`,
        true,
      );
    const { name: stream, generation, outputTopic } = plan;
    const last = await findLastOutput(this.#options.log, outputTopic, { stream, generation, topic: plan.source.topic, partition });
    return Math.max(state.positions[partition] ?? 0, state.progressed[partition] ?? 0, last === undefined ? 0 : last + 1);
  }

  #begunAt({ name }: StreamPlan): number {
    const state = this.#state(name);
    return state.status === 'started' ? state.startedAt : 0;
  }

  #state(name: string): StreamState {
    return this.#options.domain.replica.subject(streamSubject(name)).state as StreamState;
  }

  #look(name: string): void {
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = {
        worker: undefined,
        idle: { status: 'waiting', reason: 'it is being started' },
        turn: Promise.resolve(),
        cancelRetry: undefined,
        tries: 0,
      };
      this.#entries.set(name, entry);
    }
    const own = entry;
    own.tries = 0;
    own.turn = own.turn.then(() => this.#reconcile(name, own));
  }

  /** Never rejects. */
  async #reconcile(name: string, entry: Entry): Promise<void> {
    entry.cancelRetry?.();
    entry.cancelRetry = undefined;
    if (this.#isStopped) return;
    const { catalog, observer } = this.#options;
    const resource = catalog.get('StreamingInference', name);
    try {
      if (!resource) {
        await this.#rest(entry, { status: 'waiting', reason: null });
        this.#entries.delete(name);
        return;
      }
      if (resource.spec.suspended === true) return await this.#rest(entry, { status: 'suspended', reason: null });
      const found = planStream(resource, catalog);
      if ('waitsFor' in found) return await this.#rest(entry, { status: 'waiting', reason: found.waitsFor });
      if (entry.worker?.plan.fingerprint === found.plan.fingerprint) return;
      await entry.worker?.stop();
      entry.worker = undefined;
      await this.#begin(entry, found.plan);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const isForGood = isFault(error) && !error.retryable;
      await this.#rest(entry, { status: isForGood ? 'blocked' : 'waiting', reason });
      observer.troubled(name, reason);
      this.#retry(name, entry);
    }
  }

  async #begin(entry: Entry, plan: StreamPlan): Promise<void> {
    const { log, project, observer } = this.#options;
    const { name, source, outputTopic, version } = plan;
    const partitions = await log.partitions(source.topic);
    if (partitions === undefined)
      throw new Fault('MR_INFERENCE_STREAM_SOURCE', `topic ${source.topic} of Source ${source.name} is not there yet`, true);
    const there = await log.partitions(outputTopic);
    if (there === undefined) await log.ensureTopic({ name: outputTopic, partitions, retention: 'forever' });
    else if (there < partitions)
      throw new Fault(
        'MR_INFERENCE_STREAM_PARTITIONS',
        `topic ${outputTopic} has ${there} partitions, and topic ${source.topic} ${partitions}: each needs one of its own; name another spec.output.topic`,
        false,
      );
    await this.#startOnce(plan);
    await project(outputTopic);
    const worker = new RunningStream(
      {
        ...this.#options,
        position: (own, partition) => this.position(own, partition),
        begunAt: (own) => this.#begunAt(own),
        progressed: (own, partition, next) => this.#progressed(own, partition, next),
      },
      plan,
    );
    try {
      await worker.start();
    } catch (error) {
      await worker.stop();
      throw error;
    }
    entry.worker = worker;
    entry.idle = undefined;
    observer.started(name, version);
  }

  async #startOnce({ name, source: { topic }, outputTopic, start, generation }: StreamPlan): Promise<void> {
    const { log } = this.#options;
    const positions = await (start === 'latest' ? log.end(topic) : log.begin(topic));
    await this.#handle(name, { type: 'StartStream', started: { generation, topic, outputTopic, start, positions } });
  }

  async #progressed({ name, generation }: StreamPlan, partition: number, next: number): Promise<void> {
    await this.#handle(name, { type: 'ProgressStream', progressed: { generation, partition, next } });
  }

  async #handle(name: string, command: StreamCommand): Promise<void> {
    const { domain, ids, clock } = this.#options;
    const metadata = { commandId: ids.next(), actor: ACTOR, now: clock.now() };
    const outcome = await domain.handle<StreamEvent, StreamRejection>(streamSubject(name), command, metadata);
    if (outcome.kind === 'rejected') throw new Fault(outcome.rejection.code, outcome.rejection.message, false);
  }

  async #rest(entry: Entry, idle: NonNullable<Entry['idle']>): Promise<void> {
    const { worker } = entry;
    entry.worker = undefined;
    entry.idle = idle;
    await worker?.stop();
  }

  #retry(name: string, entry: Entry): void {
    if (this.#isStopped) return;
    const pause = Math.min(FIRST_RETRY_MS * 2 ** entry.tries++, LONGEST_RETRY_MS);
    entry.cancelRetry = this.#options.scheduler.after(pause, () => {
      entry.turn = entry.turn.then(() => this.#reconcile(name, entry));
    });
  }
}
