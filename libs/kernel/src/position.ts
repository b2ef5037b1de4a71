/**
 * A place in the log: one record of one partition of one topic. Offsets are dense from 0 and fit a double (2^53).
 * Offset -1 is the place before the first record: every reader has passed it.
 */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** How far a reader has come in one topic: for each partition the offset of the next record it has not seen (0 = nothing seen). */
export type NextOffsets = readonly number[];

const POSITION = /^([A-Za-z0-9._-]+)\/(\d+)@(-1|\d+)$/;

/** Text form `topic/partition@offset`, as replies carry it in `millrace-position` and queries take it in `at-least`. */
export function formatPosition(position: Position): string {
  return `${position.topic}/${position.partition}@${position.offset}`;
}

/** Parses {@link formatPosition}'s text; `undefined` when the text is not a position. */
export function parsePosition(text: string): Position | undefined {
  const match = POSITION.exec(text);
  if (!match) return undefined;
  const position = { topic: match[1] as string, partition: Number(match[2]), offset: Number(match[3]) };
  return Number.isSafeInteger(position.partition) && Number.isSafeInteger(position.offset) ? position : undefined;
}

/** True when a reader whose next offsets are `next` has passed `position`. */
export function hasPassed(next: NextOffsets, position: Position): boolean {
  return (next[position.partition] ?? 0) > position.offset;
}
