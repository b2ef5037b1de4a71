import type { PredictionOrigin, PredictionQueue, QueuedPrediction, RefusedPrediction } from './prediction-queue.js';

export interface UploaderOptions {
  readonly queue: PredictionQueue;
  /** Where the platform is. */
  readonly url: string;
  /** Predictions of one request at most. */
  readonly batch: number;
  readonly apiKey?: () => string | undefined;
  readonly fetch: typeof globalThis.fetch;
  readonly now: () => number;
  /** Calls back later; gives what takes that back. */
  readonly after: (milliseconds: number, then: () => void) => () => void;
  /** From 0 to 1: spreads the tries of devices that lost the same server at once. */
  readonly random: () => number;
  /** Only one of several pages or processes with the same queue sends at a time. */
  readonly exclusively?: <T>(work: () => Promise<T>) => Promise<T>;
  readonly changed?: (state: UploadState) => void;
  /** Told of so many that the platform would not have, which lie aside. */
  readonly refused?: (count: number, reason: string) => void;
}

/** `idle`: nothing waits. `waiting`: tries again at `retryAt`. */
export type UploadState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'waiting'; readonly reason: string; readonly retryAt: number };

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
const TIMEOUT_MS = 30_000;

type Sent =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly refused: readonly RefusedPrediction[] }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'failed'; readonly reason: string; readonly pauseMs?: number };

/**
 * Sends what waits in a queue, in batches, oldest first. A prediction leaves the queue when the platform has said that its log has it, so an answer that
 * was lost means that it is sent again, and its id makes the repeat one. What fails is tried again, each time after about twice as long, up to five minutes.
 * What the platform will not have goes aside, and the rest goes on.
 */
export class Uploader {
  readonly #options: UploaderOptions;
  #batch: number;
  #failures = 0;
  #running: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #state: UploadState = { kind: 'idle' };
  #isClosed = false;

  constructor(options: UploaderOptions) {
    this.#options = options;
    this.#batch = options.batch;
  }

  get state(): UploadState {
    return this.#state;
  }

  /** Sends now what there is, also when it was to wait: the connection is back, say. Resolves when nothing waits, or with a try that failed. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const { exclusively } = this.#options;
    this.#running ??= (exclusively ? exclusively(() => this.#drain()) : this.#drain())
      .catch((error: unknown) => this.#failed(messageOf(error)))
      .finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Something was put into the queue: sends it unless a try is to wait. */
  offered(): void {
    if (this.#state.kind !== 'waiting') void this.flush();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  async #drain(): Promise<void> {
    const { queue } = this.#options;
    while (!this.#isClosed) {
      const batch = sameOrigin(await queue.oldest(this.#batch));
      const [first] = batch;
      if (!first) {
        this.#become({ kind: 'idle' });
        return;
      }
      this.#become({ kind: 'sending' });
      const sent = await this.#send(first.of, batch);
      switch (sent.kind) {
        case 'taken':
          await queue.settle({ sent: batch.map(({ id }) => id), refused: [] });
          this.#batch = Math.min(this.#options.batch, this.#batch * 2);
          this.#failures = 0;
          break;
        case 'refused':
          await this.#putAside(sent.refused);
          break;
        case 'too-large':
          if (batch.length > 1) this.#batch = Math.ceil(batch.length / 2);
          else await this.#putAside([asideOf(first, 'larger than the platform takes')]);
          break;
        case 'failed':
          this.#failed(sent.reason, sent.pauseMs);
          return;
      }
    }
  }

  async #putAside(refused: readonly RefusedPrediction[]): Promise<void> {
    const { queue, refused: tell } = this.#options;
    await queue.settle({ sent: [], refused });
    // The platform is there and answers.
    this.#failures = 0;
    const [first] = refused;
    if (first) tell?.(refused.length, first.reason);
  }

  #failed(reason: string, least = 0): void {
    if (this.#isClosed) return;
    const { now, after, random } = this.#options;
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
    const milliseconds = Math.max(least, pause * (0.5 + random() / 2));
    this.#become({ kind: 'waiting', reason, retryAt: now() + milliseconds });
    this.#cancel = after(milliseconds, () => void this.flush());
  }

  #become(state: UploadState): void {
    this.#state = state;
    this.#options.changed?.(state);
  }

  async #send(of: PredictionOrigin, batch: readonly QueuedPrediction[]): Promise<Sent> {
    const { queue, url, fetch, now, apiKey } = this.#options;
    const { model, version, digest, graph, deployment, session, runner } = of;
    const path = `api/v1/serving/models/${encodeURIComponent(model)}/versions/${version}/predictions`;
    const key = apiKey?.();
    let response: Response;
    try {
      response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
        body: JSON.stringify({
          ...{ device: queue.device, session, runner, sentAt: Math.floor(now()), graph, digest, deployment },
          predictions: batch.map(({ of: _of, ...prediction }) => prediction),
        }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) {
        await response.arrayBuffer();
        return { kind: 'taken' };
      }
      if (response.status === 413) return { kind: 'too-large' };
      return refusalIn(response, batch, await response.text());
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) };
    }
  }
}

/** The first ones that one request can tell about. */
function sameOrigin(batch: readonly QueuedPrediction[]): readonly QueuedPrediction[] {
  const [first] = batch;
  const origin = JSON.stringify(first?.of);
  const end = batch.findIndex(({ of }) => JSON.stringify(of) !== origin);
  return end < 0 ? batch : batch.slice(0, end);
}

function asideOf(prediction: QueuedPrediction, reason: string): RefusedPrediction {
  return { id: prediction.id, reason, prediction };
}

/**
 * There is no such version, or its artifact is another one by now: no try of the same predictions ends otherwise, and what waits behind them must not
 * wait for that. Told by the platform's own code: a status may be a proxy's.
 */
const GONE: readonly (string | undefined)[] = ['MR_INFERENCE_UNKNOWN_VERSION', 'MR_INFERENCE_EDGE_DIGEST'];

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly details?: { readonly refused?: readonly { readonly index: number; readonly field: string; readonly reason: string }[] };
}

/** The predictions the platform named are put aside, and all of a version that is gone. Any other no is of the whole request, and may be mended on the other side. */
function refusalIn(response: Response, batch: readonly QueuedPrediction[], text: string): Sent {
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // Not from Millrace: the status has to do.
  }
  const refused = (problem.details?.refused ?? []).flatMap(({ index, field, reason }) => {
    const prediction = batch[index];
    return prediction ? [asideOf(prediction, `${field} ${reason}`.trim())] : [];
  });
  if (response.status === 400 && refused.length > 0) return { kind: 'refused', refused };
  const told = `${response.status}: ${problem.detail ?? (text.slice(0, 200) || response.statusText)}`;
  if (GONE.includes(problem.code)) return { kind: 'refused', refused: batch.map((prediction) => asideOf(prediction, told)) };
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  const pause = Number.isFinite(seconds) ? { pauseMs: Math.min(LONGEST_PAUSE_MS, seconds * 1000) } : {};
  return { kind: 'failed', reason: told, ...pause };
}

function messageOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string } };
  return cause?.code === undefined ? (message ?? String(error)) : `${message} (${cause.code})`;
}
