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
import type { OnlineStore, OnlineWrite } from '@millrace/online-store';

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
  /** Tells this process from all others. */
  readonly owner: string;
  /** Partitions of a source's topic; `undefined` while it does not run. */
  readonly partitionsOf: (topic: string) => number | undefined;
  /** Runs something after so long, apart from every change. */
  readonly later: (milliseconds: number, run: () => Promise<void>) => void;
}

/** For how long a state that no name stands for is kept: other processes learn of it by looking, and reads that have begun go on. */
const GRACE_MS = 10_000;
/** Of a state that is to be removed: whoever keeps it may take the mark back. */
const MARK = Buffer.from([1]);
/** What the mark of a state begins with that is being removed, before who does: only when it is gone it is filled again. */
const REMOVING = 2;
/** Removed in one step. */
const REMOVED_KEYS = 500;
/** Beside a view's name: the state that is brought up to take its place, so that it is found and removed when another one comes in between. */
const NEXT = '@next';

/**
 * Notes in the online store which state each view's name stands for, for every process that reads it. The name of a changed view moves to its new state
 * once that has come as far as the old one in every partition: until then the old one serves. What no name stands for any more is removed
 * a while later. Every step may be repeated, also by another process, and processes may know of definitions at different times: what is marked is written to by nobody, what is being
 * removed is taken up by nobody, and each step is done only while the store has what it rests on.
 */
export class ViewStates {
  /** States that are being removed, which nobody may fill meanwhile: what was removed and what was written would be mixed. */
  readonly #leaving = new Set<string>();
  /** The same, of other processes: since when, and by whom. */
  readonly #elsewhere = new Map<string, { readonly mark: Buffer; readonly since: number }>();
  /** View -> since when it stands for a state of no version known here. */
  readonly #strange = new Map<string, number>();
  /** States whose marks were taken back here: when they are not kept here any more, it is to be told again. */
  readonly #takenUp = new Map<string, Buffer>();

  constructor(private readonly host: ViewStatesHost) {}

  /** Whether the view's state is being removed, and can be filled again only when it is gone. */
  isLeaving(plan: ViewPlan): boolean {
    const hash = plan.stateHash.toString('hex');
    return this.#leaving.has(hash) || this.#elsewhere.has(hash);
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
    isOther = (await this.takeUp()) || isOther;
    if (isOther) changed();
    const plans = new Map(kept().map((plan) => [plan.name, plan]));
    for (const [name, plan] of [...plans]) if (heldView(name)) plans.set(`${name}${NEXT}`, plan);
    let isBehind = this.#elsewhere.size > 0;
    for (const name of new Set([...plans.keys(), ...states.names()])) {
      const plan = plans.get(name);
      const before = states.of(name);
      if (plan ? before?.equals(plan.stateHash) : !before) continue;
      if (plan && before && !(await this.#mayMove(name, before, plan))) {
        isBehind = true;
        continue;
      }
      if (await this.#move(name, before, plan)) isOther = true;
      else isBehind = true;
    }
    await this.#leaveAgain();
    if (isOther) changed();
    return { isOther, isBehind };
  }

  /**
   * Takes back the marks of states that are kept here, so that they can be filled; whether other states are being removed than before. What another process
   * has begun to remove and does not come to the end of is removed from here.
   */
  async takeUp(): Promise<boolean> {
    const { online, kept, now } = this.host;
    const states = [...new Map(kept().map(({ stateHash }) => [stateHash.toString('hex'), stateHash]))];
    const marks = states.length === 0 ? [] : await online.getMany(states.map(([, state]) => leavingKey(state)));
    let isOther = false;
    for (const hash of this.#elsewhere.keys())
      if (!states.some(([other], index) => other === hash && isRemoving(marks[index]))) isOther = this.#elsewhere.delete(hash);
    for (const [index, [hash, state]] of states.entries()) {
      const mark = marks[index];
      if (!mark || this.#leaving.has(hash)) continue;
      if (!isRemoving(mark)) {
        if (await online.writeMany([{ key: leavingKey(state), value: null }], [{ key: leavingKey(state), value: mark }]))
          this.#takenUp.set(hash, state);
        continue;
      }
      const known = this.#elsewhere.get(hash);
      if (!known?.mark.equals(mark)) this.#elsewhere.set(hash, { mark: Buffer.from(mark), since: now() });
      else if (now() - known.since >= GRACE_MS) await this.#remove(state, mark);
      isOther ||= !known;
    }
    return isOther;
  }

  /** Whoever had marked them counts on those who took the marks back. */
  async #leaveAgain(): Promise<void> {
    const { online, states } = this.host;
    for (const [hash, state] of this.#takenUp) {
      if (this.#isInUse(state)) continue;
      this.#takenUp.delete(hash);
      if (states.names().some((name) => states.of(name)?.equals(state))) continue;
      const key = leavingKey(state);
      if (await online.writeMany([{ key, value: MARK }], [{ key, value: null }])) this.#removeLater(state);
    }
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

  /** False: another process has moved it, or removes the state it is to stand for. */
  async #move(name: string, before: Buffer | undefined, plan: ViewPlan | undefined): Promise<boolean> {
    const { online, states } = this.host;
    const isLeft = before !== undefined && !this.#isInUse(before);
    const isMoved = await online.writeMany(
      [{ key: viewKey(name), value: plan?.stateHash ?? null }, ...(isLeft ? [{ key: leavingKey(before), value: MARK }] : [])],
      [{ key: viewKey(name), value: before ?? null }, ...(plan ? [{ key: leavingKey(plan.stateHash), value: null }] : [])],
    );
    if (!isMoved) return false;
    states.note(name, plan?.stateHash ?? null);
    if (isLeft) this.#removeLater(before);
    return true;
  }

  #removeLater(state: Buffer): void {
    this.host.later(GRACE_MS, async () => {
      const { online } = this.host;
      const key = leavingKey(state);
      const [mark] = await online.getMany([key]);
      // It was taken up again, or is gone.
      if (!mark) return;
      // A part of what is being removed is nobody's state, whoever wants it.
      if (isRemoving(mark) || !this.#isInUse(state)) return this.#remove(state, mark);
      await online.writeMany([{ key, value: null }], [{ key, value: mark }]);
    });
  }

  /** Removes what is stored of a state, while the mark is this process's: not from when somebody has taken it up before, or takes the removal over. */
  async #remove(state: Buffer, mark: Buffer): Promise<void> {
    const { online, owner, changed } = this.host;
    const key = leavingKey(state);
    const own = { key, value: Buffer.concat([Buffer.from([REMOVING]), Buffer.from(owner)]) };
    const hash = state.toString('hex');
    this.#leaving.add(hash);
    try {
      if (!(await online.writeMany([own], [{ key, value: mark }]))) return;
      let writes: OnlineWrite[] = [];
      for await (const [stored] of online.scan(statePrefix(state))) {
        writes.push({ key: Buffer.from(stored), value: null });
        if (writes.length < REMOVED_KEYS) continue;
        if (!(await online.writeMany(writes, [own]))) return;
        writes = [];
      }
      await online.writeMany([...writes, { key, value: null }], [own]);
    } finally {
      this.#leaving.delete(hash);
      this.#elsewhere.delete(hash);
      changed();
    }
  }

  #isInUse(state: Buffer): boolean {
    return this.host.kept().some((plan) => plan.stateHash.equals(state));
  }
}

function isRemoving(mark: Buffer | null | undefined): boolean {
  return mark?.[0] === REMOVING;
}
