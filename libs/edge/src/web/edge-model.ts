import { EdgeRunner, type EdgePrediction, type EdgeRequest } from '../core/edge-runner.js';
import { isGraphOf, readManifest, type EdgeManifest } from '../core/manifest.js';
import { Predictor } from '../core/predictor.js';
import type { QueueCounts } from '../core/prediction-queue.js';
import { Uploader, type UploadState } from '../core/uploader.js';
import { IndexedDbQueue } from './indexed-db-queue.js';
import { openWebSession } from './web-session.js';

export interface EdgeModelOptions {
  /** The folder of the export; the one above this file's unless given. */
  readonly folder?: URL;
  /** Shown to the platform with each upload, where it asks for a key. A key in a page is everybody's who sees the page. */
  readonly apiKey?: () => string | undefined;
  /** Told of each change of the queue and of the uploads. */
  readonly changed?: (counts: QueueCounts, upload: UploadState | undefined) => void;
}

/** An exported model in a page: what an application imports. `predict` answers from this device alone; what it answered is sent when there is a connection. */
export interface EdgeModel {
  readonly manifest: EdgeManifest;
  /** Whether the graph is the one that was exported; `undefined` when this page cannot find out, as it is no secure context. */
  readonly isVerified: boolean | undefined;
  predict(request: EdgeRequest): Promise<EdgePrediction>;
  counts(): Promise<QueueCounts>;
  /** Sends now. Resolves when nothing waits, or with a try that failed. */
  upload(): Promise<void>;
  /** Lets what the platform refused wait once more, as what was wrong there is mended, and sends it. Gives how many. */
  retryRefused(): Promise<number>;
  close(): void;
}

/** Loads an export. Throws when the graph is not the one the manifest names. */
export async function openEdgeModel(options: EdgeModelOptions = {}): Promise<EdgeModel> {
  const folder = options.folder ?? new URL('../../', import.meta.url);
  const manifest = readManifest(await (await fetched(new URL('manifest.json', folder))).json());
  const bytes = new Uint8Array(await (await fetched(new URL(manifest.graph.file, folder))).arrayBuffer());
  const isVerified = await isGraphOf(manifest, bytes);
  if (isVerified === false)
    throw new Error(`${manifest.graph.file} is not the graph that was exported: its SHA-256 is another than that of manifest.json`);
  const session = await openWebSession(manifest, bytes, new URL('ort/', folder));
  const queue = await IndexedDbQueue.open(`millrace-edge:${manifest.model.name}`, manifest.queue.limit);
  const runner = new EdgeRunner({
    predictor: new Predictor(manifest, session),
    ...{ queue, now: Date.now, elapsed: () => performance.now() },
  });
  const uploader = uploaderOf(manifest, queue, options, tell);
  const listening = new AbortController();
  // The network may be back, or somebody looks at the page again: no need to wait until the next try.
  addEventListener('online', () => void uploader?.flush(), { signal: listening.signal });
  document.addEventListener('visibilitychange', () => void uploader?.flush(), { signal: listening.signal });

  function tell(): void {
    void queue.counts().then((counts) => options.changed?.(counts, uploader?.state));
  }
  tell();
  void uploader?.flush();
  return {
    manifest,
    isVerified,
    async predict(request) {
      const prediction = await runner.predict(request);
      tell();
      if (navigator.onLine) uploader?.offered();
      return prediction;
    },
    counts: () => queue.counts(),
    upload: async () => uploader?.flush(),
    async retryRefused() {
      const again = await queue.retryRefused();
      tell();
      await uploader?.flush();
      return again;
    },
    close() {
      listening.abort();
      uploader?.close();
    },
  };
}

function uploaderOf(manifest: EdgeManifest, queue: IndexedDbQueue, options: EdgeModelOptions, changed: () => void): Uploader | undefined {
  if (!manifest.upload) return undefined;
  const { apiKey } = options;
  const { name } = manifest.model;
  return new Uploader({
    ...{ queue, changed, batch: manifest.upload.batch, url: manifest.upload.url ?? location.origin },
    fetch: (input, init) => fetch(input, init),
    now: Date.now,
    random: Math.random,
    after: (milliseconds, then) => {
      const timer = setTimeout(then, milliseconds);
      return () => clearTimeout(timer);
    },
    ...(apiKey ? { apiKey } : {}),
    // Tabs share the queue. Where there are no locks (no secure context) they may send the same twice, which counts once.
    ...(isSecureContext ? { exclusively: (work) => navigator.locks.request(`millrace-edge:${name}`, work) } : {}),
  });
}

async function fetched(url: URL): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href} cannot be had: ${response.status} ${response.statusText}`);
  return response;
}
