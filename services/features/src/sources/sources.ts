import { checkpointKey, decodeCheckpoint, type ViewPlan } from '@millrace/feature-engine';
import { Fault, formatPosition, isFault, type Position } from '@millrace/kernel';
import type { FeatureDefinitions, Source } from '../definitions/feature-definitions.js';
import { AppliedPositions } from './applied-positions.js';
import { fingerprintOf, RunningSource, type SourceHost } from './running-source.js';
import { ViewStates } from './view-states.js';

export interface SourcesHost extends SourceHost {
  readonly definitions: FeatureDefinitions;
  readonly now: () => number;
  /** Tells this process from all others. */
  readonly owner: string;
  /** Called with the sources that run, once what is applied was tried: what rests on their tables is brought in line. Does not throw. */
  readonly arranged: (running: ReadonlySet<string>) => Promise<void>;
  /** Told of what could not be brought about; it is tried again. */
  readonly failed: (what: string, error: unknown) => void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** How often the store is looked at while another process has the partition, and while this one has and will say so. */
const POLL_MS = 5;
const POLL_OWN_MS = 100;
/** How often it is looked whether a changed view's new state has come as far as the one it stands for. */
const LOOK_MS = 100;
const LONGEST_LOOK_MS = 1_000;

/** Runs the sources that are applied: starts, changes and stops them as the resources change, one change after the other. */
export class Sources {
  readonly #host: SourcesHost;
  readonly #applied: AppliedPositions;
  readonly #running = new Map<string, RunningSource>();
  readonly #states: ViewStates;
  /** Ends what is to be done later. */
  readonly #cancels = new Set<() => void>();
  /** Takes back the look that is to come. */
  #endLook: () => void = () => undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #work: Promise<void> = Promise.resolve();
  #isStarted = false;
  #isStopped = false;
  /** Every source was read as far as its log was when the process started: from then on lag is a figure. */
  #hasCaughtUp = false;
  /** Source -> why it could not be started when it was last tried, and whether that will be so until something is changed. */
  readonly #failing = new Map<string, { readonly reason: string; readonly isLasting: boolean }>();
  #hasTried = false;
  /** Ends the pause between two attempts. */
  #wake: (() => void) | undefined;

  constructor(host: SourcesHost) {
    this.#applied = new AppliedPositions(host.scheduler);
    const observer: SourcesHost['observer'] = {
      restarted: (source, reason) => {
        host.observer.restarted(source, reason);
        // An emptied store has lost what views stand for as well.
        this.#endLook();
        this.#endLook = this.#later(LOOK_MS, () => this.#settleStates());
      },
      failed: (source, view, error) => host.observer.failed(source, view, error),
      applied: (plan, partition, nextOffset) => {
        host.observer.applied(plan, partition, nextOffset);
        this.#applied.applied(plan, partition, nextOffset);
      },
    };
    this.#host = { ...host, observer };
    this.#states = new ViewStates({
      online: host.online,
      states: host.definitions.states,
      kept: () => host.definitions.keptViews(),
      heldView: (name) => host.definitions.heldView(name),
      isKnown: (name, state) => host.definitions.isKnownState(name, state),
      changed: () => host.definitions.statesChanged(),
      now: host.now,
      owner: host.owner,
      partitionsOf: (topic) => this.#partitionsOf(topic),
      later: (milliseconds, run) => void this.#later(milliseconds, () => this.#inTurn(run)),
    });
    host.definitions.onChange(() => this.#isStarted && this.reconcile());
  }

  /**
   * Begins. The resources have to be folded to the log's end first: while an old version of a view is the newest one known, its successor's
   * state would look like something left over.
   */
  async start(): Promise<void> {
    await this.#states.start();
    this.#isStarted = true;
    this.reconcile();
  }

  get(name: string): RunningSource | undefined {
    return this.#running.get(name);
  }

  list(): RunningSource[] {
    return [...this.#running.values()].sort((a, b) => (a.source.plan.name < b.source.plan.name ? -1 : 1));
  }

  /** Partitions of a source's topic; throws a retryable fault while the source is not running here. */
  partitionsOf(topic: string): number {
    const partitions = this.#partitionsOf(topic);
    if (partitions !== undefined) return partitions;
    throw new Fault('MR_FEATURES_SOURCE_STARTING', `the source of topic ${topic} is being started; try again`, true);
  }

  /** Brings what runs in line with what is applied. */
  reconcile(): void {
    this.#work = this.#work.then(() => this.#reconcile());
    this.#wake?.();
  }

  /** Resolves when this is so, when the changes applied so far have been brought about, or after so long: a source that cannot start is tried for ever. */
  async settled(isSo: () => boolean, deadlineMs: number): Promise<void> {
    const deadline = this.#host.now() + deadlineMs;
    let isOver = false;
    const over = this.#work.then(() => {
      isOver = true;
    });
    while (!isSo() && !isOver && this.#host.now() < deadline) await this.#pause(POLL_OWN_MS, over);
  }

  /**
   * What is missing before the sources there were at the start have been read as far as their logs: once they were, nothing. Neither a source that cannot be started as it is
   * defined, nor the new state of a changed view, whose old one serves, keeps the process from its work.
   */
  missing(): string | undefined {
    if (this.#hasCaughtUp) return undefined;
    if (!this.#hasTried || [...this.#failing.values()].some(({ isLasting }) => !isLasting)) return 'sources are being started';
    const behind = this.list().flatMap(({ online }) => online?.behind((view) => this.#host.definitions.heldView(view) === undefined) ?? []);
    if (behind.length > 0) return `bringing up ${behind.join(', ')}`;
    this.#hasCaughtUp = true;
    return undefined;
  }

  /** The fault of a source that does not run here: it is being started, or why it cannot be. */
  notRunning(name: string): Fault {
    const { reason, isLasting } = this.#failing.get(name) ?? { reason: '', isLasting: false };
    const message = isLasting ? `cannot be started: ${reason}` : 'is being started; try again';
    return new Fault('MR_FEATURES_SOURCE_STARTING', `source ${name} ${message}`, true);
  }

  /** Resolves when the online store has applied `position` to each of these views of its topic. */
  async waitForOnline(plans: readonly ViewPlan[], position: Position, deadlineMs: number): Promise<void> {
    const concerned = plans.filter((plan) => plan.source.topic === position.topic);
    if (concerned.length === 0) {
      throw new Fault('MR_POSITION_FOREIGN', `${formatPosition(position)} is not a position of a source of these features`, false);
    }
    const deadline = this.#host.now() + deadlineMs;
    await Promise.all(concerned.map((plan) => this.#waitForView(plan, position, deadline)));
  }

  async #waitForView(plan: ViewPlan, position: Position, deadline: number): Promise<void> {
    const key = checkpointKey(plan, position.partition);
    for (;;) {
      const isOwn = this.#running.get(plan.source.name)?.online?.assigned().includes(position.partition) === true;
      // Begun before the store is asked: what is applied in between wakes too.
      const { over, end } = this.#applied.wait(plan, position, isOwn ? POLL_OWN_MS : POLL_MS);
      try {
        const [found] = await this.#host.online.getMany([key]);
        if (decodeCheckpoint(found ?? null) > position.offset) return;
        if (this.#host.now() >= deadline) {
          throw new Fault('MR_DEADLINE_EXCEEDED', `the online store did not reach ${formatPosition(position)} in time; try again`, true);
        }
        await over;
      } finally {
        end();
      }
    }
  }

  /** Resolves when the tables of all sources of a topic hold everything before these offsets, by partition. */
  async waitForTable(topic: string, next: readonly number[], deadlineMs: number): Promise<void> {
    const running = this.list().filter((source) => source.source.plan.topic === topic);
    if (running.length === 0)
      throw new Fault('MR_FEATURES_SOURCE_STARTING', `the source of topic ${topic} is being started; try again`, true);
    const deadline = this.#host.now() + deadlineMs;
    await Promise.all(
      running.flatMap(({ table }) =>
        next.map(async (offset, partition) => {
          if (offset === 0) return;
          await table.waitFor({ topic, partition, offset: offset - 1 }, Math.max(1, deadline - this.#host.now()));
        }),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake?.();
    for (const end of [...this.#cancels]) end();
    await this.#work;
    await this.#turn;
    for (const source of this.#running.values()) await source.stop();
    this.#running.clear();
  }

  async #reconcile(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; !this.#isStopped; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (await this.#attempt()) return;
      await this.#pause(pause, new Promise((resolve) => (this.#wake = resolve)));
      this.#wake = undefined;
    }
  }

  async #attempt(): Promise<boolean> {
    const { definitions } = this.#host;
    let isDone = true;
    const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
      try {
        await run();
      } catch (error) {
        isDone = false;
        this.#host.failed(what, error);
      }
    };
    const wanted = new Map(definitions.sources().map((source) => [source.plan.name, source]));
    for (const [name, running] of [...this.#running]) {
      const source = wanted.get(name);
      if (source && fingerprintOf(source) === running.fingerprint) continue;
      this.#running.delete(name);
      await attempt(`stop source ${name}`, () => running.stop());
    }
    for (const name of this.#failing.keys()) if (!wanted.has(name)) this.#failing.delete(name);
    await attempt('take up the states of views', async () => void (await this.#inTurn(() => this.#states.takeUp())));
    for (const [name, source] of wanted) {
      if (this.#isStopped) return true;
      await attempt(`start source ${name}`, () => this.#serve(name, source));
    }
    this.#hasTried = true;
    await attempt('note what views stand for', () => this.#settleStates());
    await this.#host.arranged(new Set(this.#running.keys()));
    return isDone;
  }

  async #serve(name: string, source: Source): Promise<void> {
    try {
      if (!this.#running.has(name)) this.#running.set(name, await RunningSource.start(this.#host, source));
      const views = this.#host.definitions.filledViews(name).filter((plan) => !this.#states.isLeaving(plan));
      await this.#running.get(name)?.serve(views);
      this.#failing.delete(name);
    } catch (error) {
      this.#failing.set(name, {
        reason: error instanceof Error ? error.message : String(error),
        isLasting: isFault(error) && !error.retryable,
      });
      throw error;
    }
  }

  /** A source that cannot start is tried for ever; what views stand for does not wait for it. While a new state is behind, it is looked at again and again. */
  async #settleStates(pause = LOOK_MS): Promise<void> {
    this.#endLook();
    const { isOther, isBehind } = await this.#inTurn(() => this.#states.settle());
    if (!isBehind) return;
    const next = isOther ? LOOK_MS : Math.min(pause * 2, LONGEST_LOOK_MS);
    this.#endLook();
    this.#endLook = this.#later(pause, () => this.#settleStates(next));
  }

  #partitionsOf(topic: string): number | undefined {
    return [...this.#running.values()].find(({ source }) => source.plan.topic === topic)?.partitions;
  }

  /** Runs something after so long; what fails is done again. Returns how to take it back before. */
  #later(milliseconds: number, run: () => Promise<void>): () => void {
    if (this.#isStopped) return () => undefined;
    const cancel = this.#host.scheduler.after(milliseconds, () => {
      this.#cancels.delete(end);
      run().catch((error: unknown) => {
        this.#host.failed('note what views stand for', error);
        this.#later(LONGEST_PAUSE_MS, run);
      });
    });
    const end = (): void => {
      this.#cancels.delete(end);
      cancel();
    };
    this.#cancels.add(end);
    return end;
  }

  /** Steps in which names of views move to other states, and states are removed, are done one after the other. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves after so long, or when `over` does. */
  async #pause(milliseconds: number, over: Promise<void>): Promise<void> {
    let cancel: (() => void) | undefined;
    const passed = new Promise<void>((resolve) => (cancel = this.#host.scheduler.after(milliseconds, resolve)));
    await Promise.race([passed, over]);
    cancel?.();
  }
}
