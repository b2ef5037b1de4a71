import { isFault } from '@millrace/kernel';
import { messageOf, parseException } from '@millrace/offline-store';

/** A refusal in ClickHouse's own terms: its number and name. */
export class ClickHouseError extends Error {
  override readonly name = 'ClickHouseError';
  constructor(
    readonly code: number,
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

const STATUS: ReadonlyMap<number, number> = new Map([
  ...[194].map((code) => [code, 401] as const),
  ...[192, 193, 497, 512, 516].map((code) => [code, 403] as const),
  ...[6, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 140, 158, 167, 168, 321, 427, 441, 675, 676].map((code) => [code, 400] as const),
  ...[46, 47, 50, 56, 60, 63, 73, 81, 115, 511].map((code) => [code, 404] as const),
  [159, 408],
  [223, 413],
  [48, 501],
  [76, 503],
  [209, 503],
  [439, 503],
]);

/** The HTTP status ClickHouse gives an exception; 500 for all it does not name. */
export function statusOf(code: number): number {
  return STATUS.get(code) ?? 500;
}

export interface ErrorReply {
  readonly status: number;
  readonly code: number;
  readonly body: string;
}

/** An error as ClickHouse writes it. What is not ClickHouse's own gets the number that fits, never a stack. */
export function errorReply(error: unknown, version: string): ErrorReply {
  if (error instanceof ClickHouseError) return reply(error.code, error.type, error.message, version);
  const text = messageOf(error);
  if (isFault(error)) {
    const type =
      error.code === 'MR_DEADLINE_EXCEEDED' ? ([159, 'TIMEOUT_EXCEEDED'] as const) : ([202, 'TOO_MANY_SIMULTANEOUS_QUERIES'] as const);
    return reply(type[0], type[1], text, version);
  }
  const exception = parseException(text);
  if (!exception) return reply(1002, 'UNKNOWN_EXCEPTION', 'the query failed', version);
  const message = text
    .replace(/^(Code: \d+\. DB::Exception: )+/, '')
    .replace(/( \(version [^)]*\)\.?)?( \([A-Z][A-Z0-9_]+\))?\s*$/, '')
    .replace(/ \([A-Z][A-Z0-9_]+\)( \(version [^)]*\)\.?)?$/, '');
  return reply(exception.code, exception.name || 'UNKNOWN_EXCEPTION', message, version);
}

function reply(code: number, type: string, message: string, version: string): ErrorReply {
  return {
    status: statusOf(code),
    code,
    body: `Code: ${code}. DB::Exception: ${message.replace(/\.$/, '')}. (${type}) (version ${version})\n`,
  };
}
