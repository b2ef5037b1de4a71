import { isRefusal, Refusal } from '../domain/refusal.js';
import type { ModelVersion } from '../domain/registry/model-reference.js';
import type { TensorSpec } from '../domain/tensor/tensor.js';
import type { Place } from '../runner/runner.js';
import type { TriedModel } from '../runner/runner-opener.js';

/** Whether a version can be served, found out by loading it as the gateway does. */
export type VersionCheck = { readonly model: string; readonly version: number; readonly digest: string | null } & (
  | {
      readonly servable: true;
      readonly inputs: readonly TensorSpec[];
      readonly outputs: readonly TensorSpec[];
      /** Outputs that were lists of maps and are served as tensors. */
      readonly stripped: readonly string[];
      /** Half-precision inputs and outputs, which the graph as it is run takes and gives as FP32. */
      readonly widened: readonly string[];
      /** Where it would run by its warm-up. */
      readonly place: Place;
      /** Middle of the times of its warm-up runs, one row; `null` when it could not be warmed up. */
      readonly runMs: number | null;
      /** Why it could not be warmed up with zeros. */
      readonly warmUpError: string | null;
      /** A row's answer depends on the rows beside it: each request runs by itself. */
      readonly mixesRows: boolean;
    }
  | { readonly servable: false; readonly reason: string }
);

export interface VersionChecksOptions {
  /** Reads (digest and signature verified), loads and tries a version, and frees it again. */
  readonly tryVersion: (version: ModelVersion) => Promise<TriedModel>;
  readonly observer: { checked(check: VersionCheck, version: ModelVersion): void; failed(version: ModelVersion, error: unknown): void };
}

/** Results kept, and versions that may wait to be checked; one beyond is checked when somebody asks. */
const MOST_KEPT = 1_000;
const MOST_WAITING = 1_000;

/** Checks versions when they are registered, one at a time in the background, and when somebody asks. */
export class VersionChecks {
  readonly #options: VersionChecksOptions;
  /** By version and digest, the oldest first. */
  readonly #kept = new Map<string, Promise<VersionCheck>>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isClosed = false;

  constructor(options: VersionChecksOptions) {
    this.#options = options;
  }

  /** Checks a version that has just been registered. What fails for another reason than the version is told, and tried again when asked. */
  registered(version: ModelVersion): void {
    if (this.#waiting >= MOST_WAITING) return;
    this.of(version).catch((error: unknown) => {
      if (!this.#isClosed) this.#options.observer.failed(version, error);
    });
  }

  /** The check's result; throws when the artifact store or the runtime's thread failed. */
  of(version: ModelVersion): Promise<VersionCheck> {
    const key = JSON.stringify([version.modelId, version.version, version.digest, version.signature?.manifestDigest]);
    const known = this.#kept.get(key);
    if (known) return known;
    this.#waiting++;
    const check = this.#last.then(() => this.#check(version));
    this.#last = check.catch(() => this.#kept.delete(key)).finally(() => this.#waiting--);
    this.#kept.set(key, check);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value as string);
    return check;
  }

  /** Drops what waits; resolves when nothing is being checked. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
  }

  async #check(version: ModelVersion): Promise<VersionCheck> {
    if (this.#isClosed) throw new Refusal('MR_INFERENCE_LOADING', 'the gateway is being stopped; ask again when it is back');
    const { name, version: number, digest } = version;
    const check = { model: name, version: number, digest, ...(await this.#found(version)) };
    this.#options.observer.checked(check, version);
    return check;
  }

  async #found(version: ModelVersion) {
    try {
      const { inputs, outputs, stripped, widened, place, warmUpMs, warmUpError, mixesRows } = await this.#options.tryVersion(version);
      const sorted = [...warmUpMs].sort((a, b) => a - b);
      const runMs = sorted[Math.floor(sorted.length / 2)] ?? null;
      return { servable: true, inputs, outputs, stripped, widened, place, runMs, warmUpError: warmUpError ?? null, mixesRows } as const;
    } catch (error) {
      if (isRefusal(error) && error.code === 'MR_INFERENCE_UNSERVABLE') return { servable: false, reason: error.message } as const;
      throw error;
    }
  }
}
