import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedTopology, tempDir, waitFor } from '@millrace/testing';
import { bareSyncs } from '../bare-syncs.js';
import { median, quantile, runAlone, type BenchResult } from '../bench-result.js';
import { moveToClientCore } from '../cores.js';
import { httpPost } from '../http-post.js';
import { anonymousBytes } from '../process-memory.js';

const RATE = 10_000;
const EVENTS = 5_000_000;
/** Events of a request; one of them is read back. */
const BATCH = 100;
const CARDS = 10_000;
/** The first twenty seconds are not counted: code is compiled as it gets hot. */
const WARMED_UP = 200_000;
/**
 * Memory is looked at over three million events from here on: by then the newest two chunks of every card, which are kept in memory, have each held the events of a whole
 * minute, and buffers have found their size.
 */
const SETTLED = 2_000_000;
/** For comparison: while it still fills. */
const FILLING = 1_000_000;
/** Requests under way at most: beyond it the platform does not keep up, and the rate is no longer what was asked. */
const IN_FLIGHT = 64;
const MIB = 2 ** 20;
/** What the log syncs at once at this rate, about, and how often. */
const SYNCED_BYTES = 16_384;
const SYNCS = 2_000;
const SYNCED_EVERY_MS = 10;
const agent = new Agent({ keepAlive: true });

const RESOURCES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: payments}
spec: {topic: payments, key: card, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), card: Int32, amount: Float64}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: card}
spec: {joinKeys: {card: Int32}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: spending}
spec:
  entity: card
  source: payments
  # Every event writes its chunk again, and a chunk is as long as the longest window unless this says otherwise.
  span: 1m
  features:
    - {name: last_amount, aggregate: last, column: amount}
    - {name: payments_10m, aggregate: count, window: 10m, includeCurrent: true}
    - {name: spent_10m, aggregate: sum, column: amount, window: 10m, includeCurrent: true}
`;

/**
 * Events at a steady rate into the embedded platform, over HTTP, and one of each hundred read back as soon as it can be: from the moment it is sent to the answer of
 * a read that has waited for its position and holds its value. Meanwhile memory is watched: what the process itself holds (RssAnon), files that are mapped left out.
 */
export async function run(): Promise<BenchResult[]> {
  await using directory = await tempDir('bench-freshness');
  const synced = await bareSyncs(join(directory.path, 'bare'), SYNCS, { bytes: SYNCED_BYTES, everyMs: SYNCED_EVERY_MS });
  const topology = await embeddedTopology(directory.path);
  await topology.start();
  try {
    await moveToClientCore();
    await post(`${topology.url}/api/v1/apply`, RESOURCES, 'application/yaml');
    const events = `${topology.url}/api/v1/sources/payments/events`;
    const isThere = (): Promise<boolean> =>
      post(events, '', 'application/x-ndjson').then(
        () => true,
        () => false,
      );
    await waitFor(isThere, { what: 'the source' });
    const pid = topology.services[0]?.pid as number;
    const took: number[] = [];
    const memory: number[] = [];
    let filling = NaN;
    const underWay = new Set<Promise<void>>();
    const started = performance.now();
    for (let sent = 0; sent < EVENTS; sent += BATCH) {
      const due = started + (sent * 1000) / RATE;
      if (due > performance.now()) await sleep(due - performance.now());
      while (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
      const done: Promise<void> = freshness(topology.url, sent).then((milliseconds) => {
        if (sent >= WARMED_UP) took.push(milliseconds);
      });
      const settled = done.finally(() => underWay.delete(settled));
      underWay.add(settled);
      if (sent === FILLING) filling = anonymousBytes(pid) / MIB;
      if (sent >= SETTLED && sent % 100_000 === 0) memory.push(anonymousBytes(pid) / MIB);
    }
    await Promise.all(underWay);
    const rate = (EVENTS * 1000) / (performance.now() - started);
    took.sort((a, b) => a - b);
    const p99 = quantile(took, 0.99);
    const part = Math.floor(memory.length / 4);
    const [early, late] = [median(memory.slice(0, part)), median(memory.slice(-part))];
    const name = 'freshness';
    return [
      {
        name,
        metric: `events into the embedded platform, ${BATCH} a request`,
        value: rate,
        unit: 'events/s',
        pass: rate >= 0.99 * RATE,
        target: `>= ${RATE}`,
      },
      { name, metric: 'from sent to readable, p50', value: quantile(took, 0.5), unit: 'ms', pass: true },
      { name, metric: 'from sent to readable, p99', value: p99, unit: 'ms', pass: p99 <= 50, target: '<= 50' },
      {
        name,
        metric: 'the disk alone just before, 16 KiB 100 times a second, p99 from due to synced',
        value: quantile(synced, 0.99),
        unit: 'ms',
        pass: true,
      },
      { name, metric: 'memory of the process after 1 million events (RssAnon)', value: filling, unit: 'MiB', pass: true },
      {
        name,
        metric: `memory of the process after 2 million events (RssAnon, median of ${part} readings)`,
        value: early,
        unit: 'MiB',
        pass: true,
      },
      {
        name,
        metric: `memory of the process after 5 million events (RssAnon, median of ${part} readings)`,
        value: late,
        unit: 'MiB',
        pass: late <= 1.1 * early,
        target: '<= 1.1x that after 2 million',
      },
    ];
  } finally {
    await topology.stop();
  }
}

/** Sends a hundred events and reads one of them back. */
async function freshness(url: string, first: number): Promise<number> {
  const at = Date.now();
  const lines: string[] = [];
  for (let event = first; event < first + BATCH; event++) {
    lines.push(`{"id":"p${event}","at":${at},"card":${(event * 7_919) % CARDS},"amount":${event / 100}}`);
  }
  const started = performance.now();
  const { position } = await post(`${url}/api/v1/sources/payments/events`, lines.join('\n'), 'application/x-ndjson');
  const body = JSON.stringify({ features: ['spending:last_amount'], entities: { card: [(first * 7_919) % CARDS] }, at });
  const read = await post(`${url}/get-online-features`, body, 'application/json', { 'at-least': position ?? '' });
  const value = (read.json as { results: { values: unknown[] }[] }).results[1]?.values[0];
  // Another event of the card may have come at the same millisecond, never an older one.
  if (typeof value !== 'number' || value < first / 100) throw new Error(`event ${first} is answered with ${String(value)}`);
  return performance.now() - started;
}

async function post(
  url: string,
  body: string,
  type: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ json: unknown; position: string | undefined }> {
  const { status, headers, text } = await httpPost(agent, url, body, { 'content-type': type, ...more });
  if (status !== 200) throw new Error(`${url}: ${status} ${text}`);
  const position = headers['millrace-position'];
  return { json: JSON.parse(text) as unknown, position: typeof position === 'string' ? position : undefined };
}

await runAlone(import.meta.url, run);
