import {
  checkpointKey,
  decodeCheckpoint,
  leavingKey,
  stateOfLeaving,
  statePrefix,
  viewKey,
  type StandingStates,
  type ViewPlan,
} from '@millrace/feature-engine';
import type { OnlineStore } from '@millrace/online-store';

export interface ViewStatesHost {
  readonly online: OnlineStore;
  readonly states: StandingStates;
  /** The views whose state is kept. */
  readonly kept: () => readonly ViewPlan[];
  /** What a changed view's name stands for until its new state is up; `undefined` when it stands for nothing that is still filled. */
  readonly heldView: (name: string) => ViewPlan | undefined;
  /** Whether a state is of a version of the view that is known here. */
  readonly isKnown: (name: string, state: Buffer) => boolean;
  /** To be told when a name stands for another state, or a state may be taken up again. */
  readonly changed: () => void;
  readonly now: () => number;
  /** Partitions of a source's topic; `undefined` while it does not run. */
  readonly partitionsOf: (topic: string) => number | undefined;
  /** Runs something after so long, apart from every change. */
  readonly later: (milliseconds: number, run: () => Promise<void>) => void;
}

/** For how long a state that no name stands for is kept: other processes learn of it by looking, and reads that have begun go on. */
const GRACE_MS = 10_000;
const MARK = Buffer.from([1]);
/** Beside a view's name: the state that is brought up to take its place, so that it is found and removed when another one comes in between. */
const NEXT = '@next';

/**
 * Notes in the online store which state each view's name stands for, for every process that reads it. The name of a changed view moves to its new state
 * once that has come as far as the old one in every partition: until then the old one serves. What no name stands for any more is removed
 * a while later. Every step may be repeated, also by another process.
 */
export class ViewStates {
  /** States that are being removed, which nobody may fill meanwhile: what was removed and what was written would be mixed. */
  readonly #leaving = new Set<string>();
  /** View -> since when it stands for a state of no version known here. */
  readonly #strange = new Map<string, number>();

  constructor(private readonly host: ViewStatesHost) {}

  /** Whether the view's state is being removed, and can be filled again only when it is gone. */
  isLeaving(plan: ViewPlan): boolean {
    return this.#leaving.has(plan.stateHash.toString('hex'));
  }

  async start(): Promise<void> {
    const { online, states } = this.host;
    for await (const [key, state] of online.scan(viewKey(''))) states.note(key.toString('utf8', 1), Buffer.from(state));
    for await (const [key] of online.scan(leavingKey(Buffer.alloc(0)))) this.#removeLater(stateOfLeaving(key));
    this.host.changed();
  }

  /** Brings the names in line with the views that are kept; whether a new state is still behind. */
  async settle(): Promise<{ readonly isOther: boolean; readonly isBehind: boolean }> {
    const { states, kept, heldView, changed } = this.host;
    let isOther = await states.look([...new Set([...kept().map(({ name }) => name), ...states.names()])]);
    if (isOther) changed();
    const plans = new Map(kept().map((plan) => [plan.name, plan]));
    for (const [name, plan] of [...plans]) if (heldView(name)) plans.set(`${name}${NEXT}`, plan);
    let isBehind = false;
    for (const name of new Set([...plans.keys(), ...states.names()])) {
      const plan = plans.get(name);
      const before = states.of(name);
      if (plan ? before?.equals(plan.stateHash) : !before) continue;
      if (plan && before && !(await this.#mayMove(name, before, plan))) {
        isBehind = true;
        continue;
      }
      await this.#move(name, before, plan);
      isOther = true;
    }
    if (isOther) changed();
    return { isOther, isBehind };
  }

  async #mayMove(name: string, before: Buffer, plan: ViewPlan): Promise<boolean> {
    if (this.isLeaving(plan)) return false;
    if (name.endsWith(NEXT)) return true;
    const held = this.host.heldView(name);
    return held ? this.#hasComeAsFar(plan, held) : !this.#isStrange(name, before);
  }

  /**
   * A state of no version that is known here is another process's, which has read more of the definitions: it is not taken back. After a while it is one that nobody
   * knows any more, of an earlier format.
   */
  #isStrange(name: string, state: Buffer): boolean {
    const { isKnown, now } = this.host;
    if (isKnown(name, state)) {
      this.#strange.delete(name);
      return false;
    }
    const since = this.#strange.get(name) ?? now();
    this.#strange.set(name, since);
    return now() - since < GRACE_MS;
  }

  async #hasComeAsFar(plan: ViewPlan, held: ViewPlan): Promise<boolean> {
    const { partitionsOf, online } = this.host;
    const count = partitionsOf(plan.source.topic);
    if (count === undefined) return false;
    const partitions = Array.from({ length: count }, (_, partition) => partition);
    // In one snapshot: both move on in one write once the new one has joined.
    const found = await online.getMany([plan, held].flatMap((view) => partitions.map((partition) => checkpointKey(view, partition))));
    const next = found.map((value) => decodeCheckpoint(value));
    return partitions.every((partition) => (next[partition] ?? 0) >= (next[count + partition] ?? 0));
  }

  async #move(name: string, before: Buffer | undefined, plan: ViewPlan | undefined): Promise<void> {
    const { online, states } = this.host;
    const isLeft = before !== undefined && !this.#isInUse(before);
    await online.writeMany([
      { key: viewKey(name), value: plan?.stateHash ?? null },
      ...(isLeft ? [{ key: leavingKey(before), value: MARK }] : []),
    ]);
    states.note(name, plan?.stateHash ?? null);
    if (isLeft) this.#removeLater(before);
  }

  #removeLater(state: Buffer): void {
    this.host.later(GRACE_MS, async () => {
      const { online, changed } = this.host;
      // It may have been taken up again.
      if (this.#isInUse(state)) return void (await online.writeMany([{ key: leavingKey(state), value: null }]));
      const hash = state.toString('hex');
      this.#leaving.add(hash);
      try {
        await online.clear(statePrefix(state));
        await online.writeMany([{ key: leavingKey(state), value: null }]);
      } finally {
        this.#leaving.delete(hash);
        changed();
      }
    });
  }

  #isInUse(state: Buffer): boolean {
    return this.host.kept().some((plan) => plan.stateHash.equals(state));
  }
}
