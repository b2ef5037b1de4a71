import type { LogRecord } from '@millrace/event-log';
import { randomUUID } from 'node:crypto';
import type { TopicUnderTest } from './topics-under-test.js';

/** One record that its topic's readers cannot take. */
export interface Poison {
  readonly name: string;
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** What its dead letter has to say. */
  readonly reason: RegExp;
}

/** More than any of our topics takes as it is made; the test's broker lets it in, as one of a foreign operator may. */
const LARGE = 20 * 1024 * 1024;

/**
 * Poison made of a record that was accepted, so that each one is wrong in a single way. A decision gets the very sequence its subject
 * expects next: it is refused for what it is, and not because it comes at the wrong place.
 */
export function poisonOf({ kind }: TopicUnderTest, valid: LogRecord): Poison[] {
  const data = JSON.parse(valid.value.toString()) as object;
  const like = (name: string, value: unknown, reason: RegExp, headers: Readonly<Record<string, string>> = {}): Poison => ({
    name,
    key: valid.key,
    value: Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)),
    headers: { ...successor(valid).headers, ...headers },
    reason,
  });
  return [
    like('malformed JSON', valid.value.subarray(0, valid.value.length - 1), /^the value is not JSON/),
    like('JSON of another kind', 42, /must be object|is not a JSON object/),
    like('fields of other types', wrongFields(data), /must be|is not|expected/),
    ...unknownTypes(kind, valid).map((type) => like('an unknown event type', data, /NobodyKnowsThis/, { ce_type: type })),
    like('20 MB', Buffer.alloc(LARGE, 'x'), /^the value is not JSON/),
  ];
}

/** A record as good as `valid`, to be spoilt on the broker's disk: what is wrong with it is its batch alone. */
export function successor(valid: LogRecord): { key: string | null; value: Buffer; headers: Record<string, string> } {
  const { key, value, headers } = valid;
  const sequence = headers['ce_sequence'];
  if (headers['ce_id'] === undefined) return { key, value, headers };
  return {
    key,
    value,
    headers: {
      ...headers,
      ce_id: randomUUID(),
      ...(sequence === undefined ? {} : { ce_commandid: randomUUID(), ce_sequence: String(Number(sequence) + 1) }),
    },
  };
}

function wrongFields(data: object): object {
  return Object.fromEntries(Object.keys(data).map((name) => [name, { not: ['this'] }]));
}

/** A source's topic holds its producer's events, whose types are no business of ours. */
function unknownTypes(kind: TopicUnderTest['kind'], valid: LogRecord): string[] {
  if (kind === 'source') return [];
  return [(valid.headers['ce_type'] ?? '').replace(/\.[A-Za-z]+\.v\d+$/, '.NobodyKnowsThis.v1')];
}
