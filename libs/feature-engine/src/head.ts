import { Fault } from '@millrace/kernel';
import type { Chunk } from './chunk.js';
import type { Value } from './column-type.js';
import type { SourceEvent } from './source-event.js';
import { piece, takeBytes } from './state-bytes.js';
import type { PlanColumn, ViewPlan } from './view-plan.js';

/** One event, as far as latest values need it. */
export interface LatestEvent {
  readonly time: number;
  readonly idHigh: number;
  readonly idLow: number;
  /** Values of the columns whose latest value the view serves (`plan.latestColumns`). */
  readonly values: readonly Value[];
}

/**
 * What is known of one entity in one partition beside its chunks. Together they are a function of the log up to {@link appliedOffset}, whatever
 * the batches were.
 */
export interface Head {
  /** Offset of the last event of this entity that was applied. */
  appliedOffset: number;
  /** Index of the newest chunk. Chunks at or below `newest - keep` are gone and do not come back for late events. */
  newest: number;
  /** Indexes of the chunks that hold events, ascending. The last is {@link newest}, unless corrections moved all of its events away. */
  chunks: number[];
  /** Events have fallen behind the horizon: reads that would need them cannot be answered from here. */
  truncated: boolean;
  /** The latest event of all; means nothing when no chunk holds one. */
  latest: LatestEvent;
  /** The latest event behind the horizon; `null` when there is none, or when it can no longer be told. */
  behind: LatestEvent | null;
}

/** The last chunk that is gone for good. */
export function horizonOf(plan: ViewPlan, head: Head): number {
  return head.newest - plan.keep;
}

export function newHead(newest: number): Head {
  return { appliedOffset: -1, newest, chunks: [], truncated: false, latest: { time: 0, idHigh: 0, idLow: 0, values: [] }, behind: null };
}

/** The last event of a chunk that holds some. */
export function lastOf(plan: ViewPlan, chunk: Chunk): LatestEvent {
  const last = chunk.count - 1;
  return {
    time: chunk.start + (chunk.times[last] as number),
    idHigh: chunk.idHigh[last] ?? 0,
    idLow: chunk.idLow[last] ?? 0,
    values: plan.latestColumns.map((column) => chunk.value(column, last)),
  };
}

/** Of an entity whose events have all been moved behind the horizon: later than any time that is asked for, so that nobody takes it for an event. */
export function noEvent(plan: ViewPlan): LatestEvent {
  return { time: Infinity, idHigh: 0, idLow: 0, values: plan.latestColumns.map(() => null) };
}

/** Whether anybody asks for the event behind the horizon: for its values, or, where events can be moved away, to know that there is one. */
export function keepsBehind(plan: ViewPlan): boolean {
  return plan.latestColumns.length > 0 || plan.source.movesEvents;
}

/** An event came so late that its chunk is gone: it counts for the latest value behind the horizon and for nothing else. */
export function addBehind(plan: ViewPlan, head: Head, event: SourceEvent): void {
  const isFirst = !head.truncated;
  head.truncated = true;
  const { behind } = head;
  if (!keepsBehind(plan) || (!isFirst && !behind)) return;
  if (!behind || event.time >= behind.time) {
    const { time, idHigh, idLow } = event;
    const values = plan.latestColumns.map((column) => event.values[(plan.columns[column] as PlanColumn).source] as Value);
    head.behind = { time, idHigh, idLow, values };
  } else if (plan.hasId && event.idLow === behind.idLow && event.idHigh === behind.idHigh) {
    // The latest event was moved back in time, and what came before it is gone.
    head.behind = null;
  }
}

export function latestValue(plan: ViewPlan, event: LatestEvent, column: number): Value {
  return event.values[plan.latestColumns.indexOf(column)] ?? null;
}

const FORMAT = 1;
const FIXED = 1 + 1 + 2 + 8 + 8;
const TRUNCATED = 1;
const BEHIND = 2;

/*
 * Bytes of a head: u8 format, u8 flags, u16 chunks, f64 applied offset, f64 newest, u32 newest - index by chunk, then the latest event and
 * the one behind the horizon: f64 time, u32 + u32 id hash, per column u8 (0 is null) and 8 bytes: the number, or the length of the text; texts.
 */
export function encodeHead(plan: ViewPlan, head: Head): Buffer {
  const events = head.behind ? [head.latest, head.behind] : [head.latest];
  const size = FIXED + 4 * head.chunks.length + events.reduce((sum, event) => sum + eventSize(event), 0);
  const start = takeBytes(size);
  const out = piece.bytes;
  out[start] = FORMAT;
  out[start + 1] = (head.truncated ? TRUNCATED : 0) | (head.behind ? BEHIND : 0);
  out.writeUInt16LE(head.chunks.length, start + 2);
  out.writeDoubleLE(head.appliedOffset, start + 4);
  out.writeDoubleLE(head.newest, start + 12);
  let at = start + FIXED;
  for (const chunk of head.chunks) at = out.writeUInt32LE(head.newest - chunk, at);
  for (const event of events) at = writeEvent(out, at, event);
  return out.subarray(start, start + size);
}

export function decodeHead(plan: ViewPlan, stored: Buffer): Head {
  if (stored[0] !== FORMAT) {
    throw new Fault('MR_FEATURES_STATE', `stored state of feature view ${plan.name} is not of this version; clear the online store`, false);
  }
  const newest = stored.readDoubleLE(12);
  const chunks = new Array<number>(stored.readUInt16LE(2));
  let at = FIXED;
  for (let index = 0; index < chunks.length; index++, at += 4) chunks[index] = newest - stored.readUInt32LE(at);
  const flags = stored[1] as number;
  const latest = readEvent(plan, stored, at);
  return {
    appliedOffset: stored.readDoubleLE(4),
    newest,
    chunks,
    truncated: (flags & TRUNCATED) !== 0,
    latest: latest.event,
    behind: (flags & BEHIND) === 0 ? null : readEvent(plan, stored, latest.end).event,
  };
}

/** The latest event of a stored head, and nothing else of it. */
export function decodeLatest(plan: ViewPlan, stored: Buffer): LatestEvent {
  if (stored[0] !== FORMAT) return decodeHead(plan, stored).latest;
  return readEvent(plan, stored, FIXED + 4 * stored.readUInt16LE(2)).event;
}

function eventSize(event: LatestEvent): number {
  let size = 16 + 9 * event.values.length;
  for (const value of event.values) if (typeof value === 'string') size += Buffer.byteLength(value);
  return size;
}

function writeEvent(out: Buffer, from: number, event: LatestEvent): number {
  let at = out.writeDoubleLE(event.time, from);
  at = out.writeUInt32LE(event.idHigh, at);
  at = out.writeUInt32LE(event.idLow, at);
  let text = at + 9 * event.values.length;
  for (const value of event.values) {
    out[at] = value === null ? 0 : 1;
    if (typeof value === 'number') out.writeDoubleLE(value, at + 1);
    else if (typeof value === 'bigint') out.writeBigInt64LE(BigInt.asIntN(64, value), at + 1);
    else if (value !== null) {
      const length = out.write(value, text);
      out.writeUInt32LE(length, at + 1);
      text += length;
    }
    at += 9;
  }
  return text;
}

function readEvent(plan: ViewPlan, stored: Buffer, from: number): { event: LatestEvent; end: number } {
  const { latestColumns, columns } = plan;
  const values = new Array<Value>(latestColumns.length);
  let at = from + 16;
  let text = at + 9 * latestColumns.length;
  for (let index = 0; index < latestColumns.length; index++, at += 9) {
    const { kind, type } = columns[latestColumns[index] as number] as PlanColumn;
    const item = at + 1;
    if (stored[at] === 0) values[index] = null;
    else if (kind === 'number') values[index] = stored.readDoubleLE(item);
    else if (kind === 'bigint') values[index] = type.name === 'UInt64' ? stored.readBigUInt64LE(item) : stored.readBigInt64LE(item);
    else {
      const start = text;
      text += stored.readUInt32LE(item);
      values[index] = stored.toString('utf8', start, text);
    }
  }
  const event = { time: stored.readDoubleLE(from), idHigh: stored.readUInt32LE(from + 8), idLow: stored.readUInt32LE(from + 12), values };
  return { event, end: text };
}
