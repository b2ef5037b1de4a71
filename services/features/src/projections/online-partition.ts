import { afterUnreadable, type LogRecord } from '@millrace/event-log';
import { OnlineUpdater, type SourceEvent, type ViewPlan } from '@millrace/feature-engine';
import type { OnlineStore } from '@millrace/online-store';

export interface OnlinePartitionOptions {
  readonly partition: number;
  readonly store: OnlineStore;
  readonly maxCachedEvents: number;
  /** Records [from, to) of this partition. */
  readonly read: (from: number, to: number) => AsyncIterable<LogRecord>;
  /** The events of records; what cannot be decoded is left out (the source's table puts it aside). */
  readonly decode: (records: readonly LogRecord[]) => SourceEvent[];
  /** The stored checkpoint is not ours: another process has the partition, or the store was emptied. All of it has to be loaded again. */
  readonly lost: (reason: string) => void;
  /** A view was brought as far as `nextOffset`. */
  readonly applied: (plan: ViewPlan, partition: number, nextOffset: number) => void;
  readonly failed: (plan: ViewPlan, error: unknown) => void;
  readonly pause: (milliseconds: number) => Promise<void>;
}

interface View {
  readonly updater: OnlineUpdater;
  /** As it is called now: a state may come to be that of another name or version. */
  plan: ViewPlan;
  /** Applied with the others as batches come in; otherwise it is still being brought up from behind. */
  isJoined: boolean;
}

const CATCH_UP_RECORDS = 10_000;
const LONGEST_PAUSE_MS = 5_000;

/**
 * One partition of a source in the online store. The views that have been read as far as the log is being read move on together: one
 * decoded batch, one atomic write. A view that is behind (new, or changed) is brought up beside them by bounded reads of the log, and joins at the
 * very offset at which they stand; nobody waits for it.
 */
export class OnlinePartition {
  readonly #options: OnlinePartitionOptions;
  readonly #views = new Map<string, View>();
  #next = 0;
  #isOver = false;
  #mustReload = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: OnlinePartitionOptions) {
    this.#options = options;
  }

  /** Offset of the next record to hand to {@link apply}. */
  get nextOffset(): number {
    return this.#next;
  }

  /** Reads the views' checkpoints. The log is read on from the furthest; the others are brought up. */
  async open(plans: readonly ViewPlan[]): Promise<number> {
    const views = await Promise.all(plans.map((plan) => this.#load(plan)));
    this.#next = Math.max(0, ...views.map((view) => view.updater.nextOffset));
    for (const view of views) this.#add(view);
    return this.#next;
  }

  /** Takes views on and lets go of those no longer there. */
  async change(plans: readonly ViewPlan[]): Promise<void> {
    // Of those that share a state the first names it.
    const wanted = new Map([...plans].reverse().map((plan) => [plan.stateHash.toString('hex'), plan]));
    for (const [hash, view] of this.#views) {
      const plan = wanted.get(hash);
      if (plan) view.plan = plan;
      else this.#views.delete(hash);
    }
    const added = [...wanted].filter(([hash]) => !this.#views.has(hash));
    const views = await Promise.all(added.map(([, plan]) => this.#load(plan)));
    await this.#exclusive(async () => {
      for (const view of views) if (!this.#isOver) this.#add(view);
    });
  }

  /** Views that are still behind, by name. */
  behind(): string[] {
    return [...this.#views.values()].filter((view) => !view.isJoined).map((view) => view.plan.name);
  }

  /** Applies a batch to the views that have come this far; says what is wrong when it could not. */
  apply(events: readonly SourceEvent[], nextOffset: number): Promise<string | undefined> {
    return this.#exclusive(async () => {
      if (this.#isOver) return 'the partition was given up';
      const joined = [...this.#views.values()].filter((view) => view.isJoined);
      if (this.#mustReload) await this.#reload(joined);
      if (joined.some((view) => view.updater.nextOffset < this.#next)) return this.#lose('the online store is behind the projection');
      this.#mustReload = true;
      const staged = await Promise.all(joined.map((view) => view.updater.stage(events, nextOffset)));
      const isWritten =
        staged.length === 0 ||
        (await this.#options.store.writeMany(
          staged.flatMap((batch) => batch.writes),
          staged.flatMap((batch) => batch.guards),
        ));
      if (!isWritten) return this.#lose('the stored checkpoint is not this process’s');
      this.#mustReload = false;
      this.#next = Math.max(this.#next, nextOffset);
      for (const { plan } of joined) this.#options.applied(plan, this.#options.partition, this.#next);
      return undefined;
    });
  }

  /** Looks whether the stored checkpoints are still ours; they are not after the store was emptied while no event came. */
  async verify(): Promise<void> {
    await this.#exclusive(async () => {
      if (this.#isOver || this.#mustReload) return;
      for (const { updater, isJoined } of this.#views.values()) {
        if (isJoined && !(await updater.isCurrent())) return void this.#lose('the stored checkpoint is not this process’s');
      }
    });
  }

  /** Lets the running write settle and does nothing more. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#turn.catch(() => undefined);
  }

  async #load(plan: ViewPlan): Promise<View> {
    const { store, partition, maxCachedEvents } = this.#options;
    const updater = new OnlineUpdater({ plan, store, partition, maxCachedEvents });
    await updater.load();
    return { updater, plan, isJoined: false };
  }

  #add(view: View): void {
    const { plan, nextOffset } = view.updater;
    const hash = plan.stateHash.toString('hex');
    if (this.#views.has(hash)) return;
    this.#views.set(hash, view);
    view.isJoined = nextOffset === this.#next;
    if (!view.isJoined) void this.#bringUp(hash, view);
  }

  async #bringUp(hash: string, view: View): Promise<void> {
    const { updater } = view;
    for (let pause = 50; !this.#isOver && this.#views.get(hash) === view;) {
      try {
        if (await this.#joins(view)) return;
        const from = updater.nextOffset;
        const { records, to } = await this.#read(from, Math.min(from + CATCH_UP_RECORDS, this.#next));
        if (!(await updater.apply(this.#options.decode(records), to)))
          return void this.#lose('the stored checkpoint is not this process’s');
        this.#options.applied(view.plan, this.#options.partition, to);
        pause = 50;
      } catch (error) {
        this.#options.failed(view.plan, error);
        await this.#options.pause(pause);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
        await updater.load().catch(() => undefined);
      }
    }
  }

  /** What the log has, up to `to` or to what nobody can read: the stream has passed that over, and a view that catches up does the same. */
  async #read(from: number, to: number): Promise<{ records: LogRecord[]; to: number }> {
    const records: LogRecord[] = [];
    try {
      for await (const record of this.#options.read(from, to)) records.push(record);
      return { records, to };
    } catch (error) {
      const after = afterUnreadable(error);
      if (after === undefined) throw error;
      return { records, to: after };
    }
  }

  #joins(view: View): Promise<boolean> {
    return this.#exclusive(async () => {
      view.isJoined = view.updater.nextOffset >= this.#next;
      return view.isJoined;
    });
  }

  /** After a write whose outcome is not known, memory may be ahead of the store. */
  async #reload(views: readonly View[]): Promise<void> {
    for (const view of views) await view.updater.load();
    this.#mustReload = false;
  }

  #lose(reason: string): string {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#options.lost(reason);
    }
    return reason;
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run, run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
