import { describe, expect, test } from '@jest/globals';
import type { PredictionQueue, QueueCounts, QueuedPrediction, Settled } from './prediction-queue.js';
import { queuedPrediction, refusedPrediction } from '../testing/check-queue.js';
import { Uploader, type UploadState } from './uploader.js';

/** What a queue holds, in memory: the uploader's rules are about the platform's answers. */
class HeldQueue implements PredictionQueue {
  readonly device = 'device-1';
  readonly settled: Settled[] = [];
  constructor(public held: QueuedPrediction[]) {}

  async add(prediction: QueuedPrediction): Promise<void> {
    this.held.push(prediction);
  }

  async oldest(count: number): Promise<readonly QueuedPrediction[]> {
    return this.held.slice(0, count);
  }

  async settle(settled: Settled): Promise<void> {
    this.settled.push(settled);
    const gone = new Set([...settled.sent, ...settled.refused.map(({ id }) => id)]);
    this.held = this.held.filter(({ id }) => !gone.has(id));
  }

  async retryRefused(): Promise<number> {
    return 0;
  }

  async counts(): Promise<QueueCounts> {
    return { waiting: this.held.length, sent: 0, dropped: 0, refused: 0 };
  }
}

interface Sent {
  readonly url: string;
  readonly authorization: string | null;
  readonly body: { readonly session: string; readonly sentAt: number; readonly predictions: readonly { readonly id: string }[] };
}

type Answer = (sent: Sent) => Response | Error;

function uploading(held: QueuedPrediction[], answer: Answer, apiKey?: string) {
  const queue = new HeldQueue(held);
  const sent: Sent[] = [];
  const states: UploadState[] = [];
  const told: [count: number, reason: string][] = [];
  const timers: { milliseconds: number; then: () => void }[] = [];
  const uploader = new Uploader({
    ...{ queue, url: 'https://millrace.example.com/base', batch: 4, now: () => 5_000.25, random: () => 1, apiKey: () => apiKey },
    fetch: async (url, init) => {
      const headers = new Headers(init?.headers);
      sent.push({
        url: (url as URL).href,
        authorization: headers.get('authorization'),
        body: JSON.parse(init?.body as string) as Sent['body'],
      });
      const answered = answer(sent.at(-1) as Sent);
      if (answered instanceof Error) throw answered;
      return answered;
    },
    after: (milliseconds, then) => {
      const timer = { milliseconds, then };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
    changed: (state) => states.push(state),
    refused: (count, reason) => told.push([count, reason]),
  });
  const ids = (): string[][] => sent.map(({ body }) => body.predictions.map(({ id }) => id));
  return { queue, sent, states, told, timers, uploader, ids };
}

const taken = (): Response => new Response('{}', { status: 202 });
const problem = (status: number, body: object, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });
const named = (...numbers: number[]): string[] => numbers.map((number) => `prediction-${number}`);
const predictions = (count: number): QueuedPrediction[] => Array.from({ length: count }, (_, index) => queuedPrediction(index));

describe('uploads', () => {
  test('go in batches, oldest first, until nothing waits', async () => {
    const { uploader, queue, sent, states, ids } = uploading(predictions(6), taken, 'key-1');
    await uploader.flush();
    expect(ids()).toEqual([named(0, 1, 2, 3), named(4, 5)]);
    expect(queue.held).toEqual([]);
    expect(sent[0]).toMatchObject({
      url: 'https://millrace.example.com/base/api/v1/serving/models/towns/versions/1/predictions',
      authorization: 'Bearer key-1',
      body: { device: 'device-1', session: 'session-1', runner: 'web', sentAt: 5_000, digest: null, deployment: null },
    });
    expect(states.map(({ kind }) => kind)).toEqual(['sending', 'sending', 'idle']);
  });

  test('of another version or session are a request of their own', async () => {
    const [first, second, third] = predictions(3) as [QueuedPrediction, QueuedPrediction, QueuedPrediction];
    const older = { ...first, of: { ...first.of, version: 7 } };
    const { uploader, sent, ids } = uploading([older, second, { ...third, of: { ...third.of, session: 'session-2' } }], taken);
    await uploader.flush();
    expect(ids()).toEqual([named(0), named(1), named(2)]);
    expect(sent.map(({ url }) => /versions\/(\d+)/.exec(url)?.[1])).toEqual(['7', '1', '1']);
  });

  test('that fail are tried again, each time after twice as long, up to five minutes; one that is taken begins anew', async () => {
    let isUp = false;
    const { uploader, queue, timers, ids } = uploading(predictions(1), () => (isUp ? taken() : new TypeError('fetch failed')));
    const pauses: number[] = [];
    await uploader.flush();
    for (let tries = 0; tries < 10; tries++) {
      const timer = timers.splice(0, 1)[0]!;
      pauses.push(timer.milliseconds / 1000);
      timer.then();
      await uploader.flush();
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    expect(uploader.state).toMatchObject({ kind: 'waiting', reason: 'fetch failed' });
    expect(queue.held).toHaveLength(1);
    isUp = true;
    await uploader.flush();
    expect(timers).toEqual([]);
    expect(new Set(ids().flat())).toEqual(new Set(named(0)));
    isUp = false;
    await queue.add(queuedPrediction(1));
    await uploader.flush();
    expect(timers.map(({ milliseconds }) => milliseconds)).toEqual([1_000]);
  });

  test('wait as long as the platform says, and say why', async () => {
    const { uploader, timers } = uploading(predictions(1), () => problem(503, { detail: 'too much to do' }, { 'retry-after': '20' }));
    await uploader.flush();
    expect(timers.map(({ milliseconds }) => milliseconds)).toEqual([20_000]);
    expect(uploader.state).toEqual({ kind: 'waiting', reason: '503: too much to do', retryAt: 25_000.25 });
    // What comes meanwhile does not hurry it.
    uploader.offered();
    expect(timers).toHaveLength(1);
  });

  test('lose the predictions that are refused, with the reason, and send the others', async () => {
    const refused = [{ index: 1, id: 'prediction-1', field: 'time', reason: 'must be whole' }];
    const { uploader, queue, ids } = uploading(predictions(3), ({ body }) =>
      body.predictions.some(({ id }) => id === 'prediction-1') ? problem(400, { details: { refused } }) : taken(),
    );
    await uploader.flush();
    expect(ids()).toEqual([named(0, 1, 2), named(0, 2)]);
    expect(queue.settled).toEqual([
      { sent: [], refused: [refusedPrediction(1, 'time must be whole')] },
      { sent: named(0, 2), refused: [] },
    ]);
  });

  test('of a version that is gone are put aside whole, with the reason, and what waits behind them is sent', async () => {
    for (const [status, code] of [
      [404, 'MR_INFERENCE_UNKNOWN_VERSION'],
      [409, 'MR_INFERENCE_EDGE_DIGEST'],
    ] as const) {
      const held = predictions(6).map((prediction, index) =>
        index < 5 ? { ...prediction, of: { ...prediction.of, version: 7 } } : prediction,
      );
      const { uploader, queue, told } = uploading(held, ({ url }) =>
        url.includes('/versions/7/') ? problem(status, { code, detail: 'no such version' }) : taken(),
      );
      await uploader.flush();
      expect([uploader.state.kind, queue.held]).toEqual(['idle', []]);
      const reason = `${status}: no such version`;
      expect(queue.settled.flatMap(({ refused }) => refused)).toEqual(
        held.slice(0, 5).map((prediction) => ({ id: prediction.id, reason, prediction })),
      );
      expect(queue.settled.flatMap(({ sent }) => sent)).toEqual(named(5));
      expect(told).toEqual([
        [4, reason],
        [1, reason],
      ]);
    }
  });

  test('that are refused as a whole are kept: a key or an address may be mended', async () => {
    for (const status of [400, 401, 403, 404, 409]) {
      const { uploader, queue } = uploading(predictions(2), () => problem(status, { detail: 'no' }));
      await uploader.flush();
      expect([uploader.state, queue.held.length]).toEqual([expect.objectContaining({ kind: 'waiting', reason: `${status}: no` }), 2]);
    }
  });

  test('too large for the platform are sent in halves, and one that is too large alone is put aside', async () => {
    const { uploader, queue, ids } = uploading(predictions(4), ({ body }) =>
      body.predictions.length > 1 || body.predictions[0]?.id === 'prediction-2' ? problem(413, {}) : taken(),
    );
    await uploader.flush();
    expect(ids().slice(0, 3)).toEqual([named(0, 1, 2, 3), named(0, 1), named(0)]);
    expect(queue.held).toEqual([]);
    expect(queue.settled.flatMap(({ sent }) => sent)).toEqual(named(0, 1, 3));
    expect(queue.settled.flatMap(({ refused }) => refused)).toEqual([refusedPrediction(2, 'larger than the platform takes')]);
  });

  test('one at a time, however often they are asked for, and none after the end', async () => {
    const { uploader, timers, sent } = uploading(predictions(1), () => new TypeError('gone'));
    await Promise.all([uploader.flush(), uploader.flush()]);
    expect(sent).toHaveLength(1);
    uploader.close();
    expect(timers).toEqual([]);
  });
});
