import { isUtf8 } from 'node:buffer';
import { exactJsonText, hasLongIntegers, parseShallowJson } from '@millrace/kernel';
import type { GivenEvent } from '../../sources/event-intake.js';
import { cloudEventFields, type SourcePlan } from '@millrace/feature-engine';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** What some editors and exports put before a text in UTF-8. */
const MARK = Buffer.from('\ufeff');
/** What stands for bytes that are no text in UTF-8. */
const REPLACED = '\ufffd';

/** The bytes behind a byte order mark, or all where there is none. */
export function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}

/** Events of NDJSON as they arrive: one JSON object a line, empty lines passed over. Only one line is held at a time. */
export async function* ndjsonEvents(plan: SourcePlan, body: AsyncIterable<Buffer>, maxEventBytes: number): AsyncGenerator<GivenEvent> {
  let line = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE, from); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      line++;
      const tail = chunk.subarray(from, end);
      from = end + 1;
      const event =
        restBytes === 0
          ? lineEvent(plan, line, tail, tail.length, maxEventBytes)
          : joined(plan, line, rest, tail, restBytes, maxEventBytes);
      rest = [];
      restBytes = 0;
      if (event) yield event;
    }
    const tail = chunk.subarray(from);
    // Of a line that is too long already, the length is all that is kept.
    if (restBytes + tail.length <= maxEventBytes) rest.push(tail);
    restBytes += tail.length;
  }
  const event = restBytes === 0 ? undefined : joined(plan, line + 1, rest, Buffer.alloc(0), restBytes, maxEventBytes);
  if (event) yield event;
}

function joined(
  plan: SourcePlan,
  line: number,
  parts: readonly Buffer[],
  tail: Buffer,
  before: number,
  maxEventBytes: number,
): GivenEvent | undefined {
  const length = before + tail.length;
  return lineEvent(plan, line, length > maxEventBytes ? tail : Buffer.concat([...parts, tail]), length, maxEventBytes);
}

function lineEvent(plan: SourcePlan, line: number, bytes: Buffer, length: number, maxEventBytes: number): GivenEvent | undefined {
  if (length > maxEventBytes) return { line, reason: `the event is ${length} bytes long; at most ${maxEventBytes} are taken` };
  const whole = bytes[bytes.length - 1] === RETURN ? bytes.subarray(0, -1) : bytes;
  const value = line === 1 ? withoutMark(whole) : whole;
  if (value.length === 0) return undefined;
  try {
    const text = value.toString('utf8');
    // What goes to the log is read by others, who may refuse what is no text or take it for another.
    if (text.includes(REPLACED) && !isUtf8(value)) return { line, reason: 'the line is not JSON: it has bytes that are no text in UTF-8' };
    // Nearly no event has any, and each line comes by here.
    if (!hasLongIntegers(text)) return { line, fields: JSON.parse(text) as unknown, value };
    const given = parseShallowJson(text);
    const fields = withLongs(plan, given);
    return { line, fields, value: fields === given ? value : bytesOf(fields) };
  } catch (error) {
    return { line, reason: `the line is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/**
 * 64-bit integers that came as numbers beyond 2^53 as the log has them: as text, which every reader of JSON keeps whole. What a column of doubles gets is the
 * double. The same object when it has none.
 */
function withLongs(plan: SourcePlan, given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !Object.values(given).some((value) => typeof value === 'bigint')) return given;
  const fields: Record<string, unknown> = { ...given };
  for (const { name, type } of plan.columns) {
    const value = fields[name];
    if (typeof value !== 'bigint') continue;
    if (type.kind === 'bigint') fields[name] = value.toString();
    // What no column of this type holds is refused with all its digits.
    else if (type.kind === 'number' && !type.isInteger) fields[name] = Number(value);
  }
  return fields;
}

function bytesOf(value: unknown): Buffer {
  return Buffer.from(exactJsonText(value));
}

/** Events of a JSON array, numbered from 1. */
export function* arrayEvents(plan: SourcePlan, values: readonly unknown[], maxEventBytes: number): Generator<GivenEvent> {
  for (const [index, given] of values.entries()) {
    const fields = withLongs(plan, given);
    yield sized({ line: index + 1, fields, value: bytesOf(fields) }, maxEventBytes);
  }
}

const CLOUD_EVENT_NAME = /^[a-z0-9]{1,40}$/;

/** Events of a CloudEvents batch: the data becomes the record's value, the attributes its `ce_` headers, as in the Kafka binding's binary mode. */
export function* cloudEvents(plan: SourcePlan, values: readonly unknown[], maxEventBytes: number): Generator<GivenEvent> {
  for (const [index, event] of values.entries()) {
    const line = index + 1;
    const reason = cloudEventProblem(event);
    if (reason !== undefined) {
      yield { line, reason };
      continue;
    }
    const { data: given, ...attributes } = event as Record<string, unknown>;
    const data = withLongs(plan, given);
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    for (const [name, value] of Object.entries(attributes)) {
      if (CLOUD_EVENT_NAME.test(name) && name !== 'datacontenttype') headers[`ce_${name}`] = String(value);
    }
    const fields = cloudEventFields({ ...attributes, data });
    yield sized({ line, fields, value: bytesOf(data), headers }, maxEventBytes);
  }
}

function cloudEventProblem(event: unknown): string | undefined {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return 'the event is not a JSON object';
  const { specversion, id, source, type, data } = event as Record<string, unknown>;
  if (specversion !== '1.0') return 'specversion must be "1.0"';
  for (const [name, value] of Object.entries({ id, source, type }))
    if (typeof value !== 'string' || value === '') return `${name} must be a text that is not empty`;
  if (typeof data !== 'object' || data === null) return 'data must be a JSON object';
  return undefined;
}

function sized(event: Extract<GivenEvent, { value: Buffer }>, maxEventBytes: number): GivenEvent {
  if (event.value.length <= maxEventBytes) return event;
  return { line: event.line, reason: `the event is ${event.value.length} bytes long; at most ${maxEventBytes} are taken` };
}
