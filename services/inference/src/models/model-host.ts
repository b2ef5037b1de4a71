import type { Scheduler } from '@millrace/kernel';
import { isRefusal, Refusal } from '../domain/refusal.js';
import type { ModelVersion, Resolved } from '../domain/registry/model-reference.js';
import type { ServedModel } from './served-model.js';

export interface ModelHostOptions {
  /** Finds what a reference means now. */
  readonly resolve: (reference: string) => Resolved;
  readonly load: (version: ModelVersion) => Promise<ServedModel>;
  readonly scheduler: Scheduler;
  readonly observer: ModelHostObserver;
}

export interface ModelHostObserver {
  loaded(model: ServedModel): void;
  swapped(reference: string, from: ModelVersion | undefined, to: ModelVersion): void;
  failed(reference: string, version: ModelVersion | undefined, reason: string, isRetried: boolean): void;
  retired(model: ServedModel): void;
}

/** What stands behind one reference. */
export interface Slot {
  readonly reference: string;
  readonly current: ServedModel | undefined;
  readonly isLoading: boolean;
  /** Why the newest target is not served. The last good version goes on being served meanwhile. */
  readonly failure: string | undefined;
}

interface MutableSlot {
  reference: string;
  current: ServedModel | undefined;
  wanted: string | undefined;
  failure: string | undefined;
  isLoading: boolean;
  settled: Promise<void>;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/**
 * Keeps the wanted references loaded. When a reference's target moves, the new version is loaded and warmed up beside the old one, then
 * takes its place between two requests; the old one is closed when its last request is answered. Versions are loaded one at a time.
 */
export class ModelHost {
  readonly #options: ModelHostOptions;
  readonly #slots = new Map<string, MutableSlot>();
  readonly #loaded = new Map<string, ServedModel>();
  #loading: Promise<unknown> = Promise.resolve();
  #cancelRetry: (() => void) | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: ModelHostOptions) {
    this.#options = options;
  }

  slot(reference: string): Slot | undefined {
    return this.#slots.get(reference);
  }

  slots(): readonly Slot[] {
    return [...this.#slots.values()];
  }

  /** Sets which references are wanted and looks at each again: call it when definitions or the registry have changed. */
  want(references: ReadonlySet<string>): void {
    if (this.#closed) return;
    for (const reference of this.#slots.keys()) if (!references.has(reference)) this.#slots.delete(reference);
    for (const reference of references) {
      let slot = this.#slots.get(reference);
      if (!slot) {
        slot = { reference, current: undefined, wanted: undefined, failure: undefined, isLoading: false, settled: Promise.resolve() };
        this.#slots.set(reference, slot);
      }
      this.#refresh(slot);
    }
    this.#retireUnused();
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
      slot.current = undefined;
      slot.failure = resolved.reason;
      slot.isLoading = false;
      return;
    }
    const key = keyOf(resolved.version);
    if (slot.wanted === key) return;
    slot.wanted = key;
    slot.isLoading = true;
    slot.settled = this.#take(slot, key, resolved.version);
  }

  async #take(slot: MutableSlot, key: string, version: ModelVersion): Promise<void> {
    const { observer } = this.#options;
    const turn = this.#loading.then(async () => {
      const existing = this.#loaded.get(key);
      if (existing) return existing;
      // Overtaken while waiting for its turn: nobody needs this one any more.
      if (!this.#isWanted(key)) return undefined;
      const model = await this.#options.load(version);
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
        this.#retryMs = FIRST_RETRY_MS;
        observer.swapped(slot.reference, before, version);
      }
    } catch (error) {
      if (slot.wanted === key) this.#failed(slot, version, error);
    } finally {
      if (slot.wanted === key) slot.isLoading = false;
      this.#retireUnused();
    }
  }

  #failed(slot: MutableSlot, version: ModelVersion, error: unknown): void {
    // A refusal is about the artifact and stays true until it is registered anew; anything else (a store down) may pass.
    const isRetried = !isRefusal(error) && !(error as { code?: string }).code?.startsWith('MR_ONNX');
    slot.failure = error instanceof Error ? error.message : String(error);
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
    for (const [key, model] of this.#loaded) {
      const isUsed = [...this.#slots.values()].some((slot) => slot.current === model || slot.wanted === key);
      if (isUsed) continue;
      this.#loaded.delete(key);
      model.retire();
      this.#options.observer.retired(model);
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
  if (slot?.failure !== undefined && !slot.isLoading) throw new Refusal('MR_INFERENCE_UNSERVABLE', `${label}: ${slot.failure}`);
  throw new Refusal('MR_INFERENCE_LOADING', `${label} is being loaded; try again in a second`);
}
