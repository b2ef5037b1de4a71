import type { Scheduler } from '@millrace/kernel';
import { isRefusal, Refusal } from '../domain/refusal.js';
import { parseModelReference, type ModelVersion, type Resolved } from '../domain/registry/model-reference.js';
import { MemoryBudget, NoRoom } from './memory-budget.js';
import type { ServedModel } from './served-model.js';

export interface ModelHostOptions {
  /** Finds what a reference means now. */
  readonly resolve: (reference: string) => Resolved;
  /** Loads a version. `admit` has to be called with the bytes of its artifact before they are read; it throws when there is no room. */
  readonly load: (version: ModelVersion, admit: (artifactBytes: number) => void) => Promise<ServedModel>;
  /** Memory of all loaded versions at most. */
  readonly maxBytes: number;
  readonly scheduler: Scheduler;
  readonly observer: ModelHostObserver;
}

/** Why a version is not loaded any more. */
export type Retirement =
  /** Another version took its place, or nothing names it any more, or the process ends. */
  | { readonly reason: 'unwanted' }
  /** Room was needed for another, and this one had not been used for the longest time. It is loaded again when it is asked for. */
  | { readonly reason: 'memory'; readonly idleMs: number; readonly bytes: number; readonly neededFor: ModelVersion };

export interface ModelHostObserver {
  loaded(model: ServedModel): void;
  swapped(reference: string, from: ModelVersion | undefined, to: ModelVersion): void;
  failed(reference: string, version: ModelVersion | undefined, reason: string, isRetried: boolean): void;
  /** There is no room for it until it is asked for. */
  deferred(reference: string, version: ModelVersion, reason: string): void;
  retired(model: ServedModel, why: Retirement): void;
}

/** What stands behind one reference. */
export interface Slot {
  readonly reference: string;
  readonly current: ServedModel | undefined;
  readonly isLoading: boolean;
  /** Why it is not loaded although nothing is wrong with it: it will be when it is asked for. */
  readonly unloaded: string | undefined;
  /** Why the newest target is not served. The last good version goes on being served meanwhile. */
  readonly failure: string | undefined;
  /** The failure may pass, and it is tried again. */
  readonly isRetried: boolean;
  /** The failure is that a policy keeps it from being served. */
  readonly isNotAdmitted: boolean;
}

interface MutableSlot {
  reference: string;
  current: ServedModel | undefined;
  wanted: string | undefined;
  failure: string | undefined;
  isRetried: boolean;
  isNotAdmitted: boolean;
  unloaded: string | undefined;
  isLoading: boolean;
  /** Somebody waits for it: others make room. */
  isDemanded: boolean;
  settled: Promise<void>;
}

const FRESH = { isRetried: false, isNotAdmitted: false, isLoading: false, isDemanded: false };
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/**
 * Keeps the wanted references loaded, as far as there is memory. When a reference's target moves, the new version is loaded and warmed up
 * beside the old one, then takes its place between two requests; the old one is closed when its last request is answered. Versions are
 * loaded one at a time. What does not fit is loaded when it is asked for, in the place of what has not been asked for the longest time.
 */
export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #slots = new Map<string, MutableSlot>();
  readonly #loaded = new Map<string, ServedModel>();
  readonly #budget: MemoryBudget;
  #loading: Promise<unknown> = Promise.resolve();
  #cancelRetry: (() => void) | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: ModelHostOptions) {
    this.#options = options;
    this.#budget = new MemoryBudget(options.maxBytes);
  }

  slot(reference: string): Slot | undefined {
    return this.#slots.get(reference);
  }

  slots(): readonly Slot[] {
    return [...this.#slots.values()];
  }

  /** Versions loaded now. */
  loaded(): readonly ServedModel[] {
    return [...this.#loaded.values()];
  }

  /** Sets which references are wanted and looks at each again: call it when definitions or the registry have changed. */
  want(references: ReadonlySet<string>): void {
    if (this.#closed) return;
    for (const reference of this.#slots.keys()) if (!references.has(reference)) this.#slots.delete(reference);
    for (const reference of references) {
      let slot = this.#slots.get(reference);
      if (!slot) {
        const nothing = { current: undefined, wanted: undefined, failure: undefined, unloaded: undefined };
        slot = { reference, ...nothing, ...FRESH, settled: Promise.resolve() };
        this.#slots.set(reference, slot);
      }
      this.#refresh(slot);
    }
    this.#retireUnused();
  }

  /** Loads a wanted reference that is not loaded, others making room, and waits for it as {@link waitFor} does. */
  async demand(reference: string, waitMs: number): Promise<void> {
    const slot = this.#slots.get(reference);
    if (!slot || slot.current || this.#closed) return;
    slot.isDemanded = true;
    if (slot.unloaded !== undefined && !slot.isLoading) {
      slot.wanted = undefined;
      this.#refresh(slot);
    }
    await this.waitFor(reference, waitMs);
  }

  /** Resolves when the reference's load under way, if any, is over, or after `waitMs`. */
  async waitFor(reference: string, waitMs: number): Promise<void> {
    const slot = this.#slots.get(reference);
    if (!slot?.isLoading) return;
    let cancel = (): void => undefined;
    const tooLong = new Promise<void>((resolve) => (cancel = this.#options.scheduler.after(waitMs, resolve)));
    await Promise.race([slot.settled, tooLong]);
    cancel();
  }

  /** Resolves when no load is under way. */
  async settled(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slot) => slot.settled));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    await this.settled();
    this.#slots.clear();
    this.#retireUnused();
  }

  #refresh(slot: MutableSlot): void {
    const resolved = this.#options.resolve(slot.reference);
    if (!resolved.ok) {
      // An alias taken away or a version deleted: stop serving it.
      slot.wanted = undefined;
      slot.isNotAdmitted = resolved.isNotAdmitted === true;
      // An alias moved on to a version that may not be served: the one before goes on, unless it may not either.
      if (!slot.isNotAdmitted || !this.#isStillServed(slot)) slot.current = undefined;
      slot.failure = resolved.reason;
      slot.isRetried = false;
      slot.unloaded = undefined;
      slot.isLoading = false;
      return;
    }
    const key = keyOf(resolved.version);
    if (slot.wanted === key) return;
    slot.wanted = key;
    if (slot.isNotAdmitted) [slot.isNotAdmitted, slot.failure] = [false, undefined];
    // One that was unloaded follows its target when it is asked for.
    if (slot.unloaded !== undefined && !slot.isDemanded && !this.#loaded.has(key)) return;
    slot.isLoading = true;
    slot.settled = this.#take(slot, key, resolved.version);
  }

  #isStillServed({ current, reference }: MutableSlot): boolean {
    const parsed = parseModelReference(reference);
    if (!current || !parsed) return false;
    const resolved = this.#options.resolve(`models:/${parsed.name}/${current.version.version}`);
    return resolved.ok && resolved.version.modelId === current.version.modelId;
  }

  async #take(slot: MutableSlot, key: string, version: ModelVersion): Promise<void> {
    const { observer } = this.#options;
    const turn = this.#loading.then(async () => {
      const existing = this.#loaded.get(key);
      if (existing) return existing;
      // Overtaken while waiting for its turn: nobody needs this one any more.
      if (!this.#isWanted(key)) return undefined;
      const model = await this.#options.load(version, (bytes) => this.#admit(slot, version, bytes));
      this.#loaded.set(key, model);
      observer.loaded(model);
      return model;
    });
    this.#loading = turn.catch(() => undefined);
    try {
      const model = await turn;
      if (slot.wanted === key && model) {
        const before = slot.current?.version;
        slot.current = model;
        slot.failure = undefined;
        slot.isRetried = false;
        slot.unloaded = undefined;
        this.#retryMs = FIRST_RETRY_MS;
        observer.swapped(slot.reference, before, version);
      }
    } catch (error) {
      if (slot.wanted === key) {
        if (error instanceof NoRoom) this.#defer(slot, version, error);
        else this.#failed(slot, version, error);
      }
    } finally {
      if (slot.wanted === key) {
        slot.isLoading = false;
        slot.isDemanded = false;
      }
      this.#retireUnused();
    }
  }

  /** Makes room for a version about to be loaded, or throws. What it replaces goes as soon as it is there, so that does not count. */
  #admit(slot: MutableSlot, version: ModelVersion, artifactBytes: number): void {
    const evicted = this.#budget.admit({
      artifactBytes,
      loaded: [...this.#loaded.values()].filter((model) => model !== slot.current),
      mayEvict: slot.isDemanded || slot.current !== undefined,
    });
    for (const model of evicted) this.#evict(model, version);
  }

  #evict(model: ServedModel, neededFor: ModelVersion): void {
    const idleMs = model.idleMs();
    const why = `it was unloaded to make room for ${neededFor.name} version ${neededFor.version}, unused for ${Math.round(idleMs / 1000)} s`;
    for (const slot of this.#slots.values()) {
      if (slot.current !== model) continue;
      slot.current = undefined;
      slot.unloaded = why;
    }
    for (const [key, loaded] of this.#loaded) if (loaded === model) this.#loaded.delete(key);
    const bytes = model.memoryBytes;
    model.retire();
    this.#options.observer.retired(model, { reason: 'memory', idleMs, bytes, neededFor });
  }

  #defer(slot: MutableSlot, version: ModelVersion, error: NoRoom): void {
    slot.unloaded = error.message;
    slot.failure = undefined;
    slot.isRetried = false;
    this.#options.observer.deferred(slot.reference, version, error.message);
    // Asked for while this attempt was under way.
    if (!slot.isDemanded) return;
    slot.wanted = undefined;
    this.#refresh(slot);
  }

  #failed(slot: MutableSlot, version: ModelVersion, error: unknown): void {
    // A refusal is about the artifact and stays true until it is registered anew; anything else (a store down) may pass.
    const isRetried = !isRefusal(error) || error.code === 'MR_INFERENCE_CRASHED';
    slot.failure = error instanceof Error ? error.message : String(error);
    slot.isRetried = isRetried;
    this.#options.observer.failed(slot.reference, version, slot.failure, isRetried);
    if (!isRetried || this.#cancelRetry || this.#closed) return;
    const delay = this.#retryMs;
    this.#retryMs = Math.min(delay * 2, LONGEST_RETRY_MS);
    this.#cancelRetry = this.#options.scheduler.after(delay, () => {
      this.#cancelRetry = undefined;
      for (const item of this.#slots.values()) {
        if (item.failure === undefined || item.isLoading) continue;
        item.wanted = undefined;
        this.#refresh(item);
      }
    });
  }

  #isWanted(key: string): boolean {
    return [...this.#slots.values()].some((slot) => slot.wanted === key);
  }

  #retireUnused(): void {
    if (this.#loaded.size === 0) return;
    const used = new Set<ServedModel | string | undefined>();
    for (const slot of this.#slots.values()) used.add(slot.current).add(slot.wanted);
    for (const [key, model] of this.#loaded) {
      if (used.has(model) || used.has(key)) continue;
      this.#loaded.delete(key);
      model.retire();
      this.#options.observer.retired(model, { reason: 'unwanted' });
    }
  }
}

/** With its manifest: a version that is signed anew is looked at anew. */
function keyOf(version: ModelVersion): string {
  return `${version.modelId}/${version.version}/${version.signature?.manifestDigest ?? ''}`;
}

/** The slot's model, or why there is none: 503 while loading, and with the reason when it cannot be loaded. */
export function modelOf(slot: Slot | undefined, label: string): ServedModel {
  if (slot?.current) return slot.current;
  if (slot?.failure !== undefined && !slot.isLoading)
    throw new Refusal(slot.isNotAdmitted ? 'MR_INFERENCE_NOT_ADMITTED' : 'MR_INFERENCE_UNSERVABLE', `${label}: ${slot.failure}`);
  throw new Refusal('MR_INFERENCE_LOADING', `${label} is being loaded; try again in a second`);
}
