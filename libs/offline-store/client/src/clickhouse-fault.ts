import { Fault, isFault } from '@millrace/kernel';

/** What ClickHouse said, taken from `Code: N. DB::Exception: text (NAME)`. */
export interface ClickHouseException {
  readonly code: number;
  readonly name: string;
  readonly message: string;
}

/** Finds ClickHouse's number and name in an error's text. */
export function parseException(text: string): ClickHouseException | undefined {
  const code = /Code: (\d+)/.exec(text);
  if (!code) return undefined;
  const names = [...text.matchAll(/\(([A-Z][A-Z0-9_]+)\)/g)];
  return { code: Number(code[1]), name: names.at(-1)?.[1] ?? '', message: text };
}

/**
 * ClickHouse's numbers for troubles that pass: timeouts, network, memory, too many parts or queries, a server shutting down, a
 * full disk. Everything else is the statement's or the data's fault and fails again.
 */
const PASSING = new Set([
  3, 159, 160, 198, 202, 203, 204, 209, 210, 225, 236, 241, 242, 243, 252, 254, 279, 285, 286, 319, 341, 373, 394, 425, 439, 473, 483, 499,
  745, 999,
]);

/** Numbers that say that a row does not fit its table: parsing, ranges, enums, constraints. */
const ROW_TROUBLES = new Set([
  6, 26, 27, 28, 33, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 190, 321, 349, 376, 407, 441, 469, 557, 674, 675, 676, 691,
]);

export const DEADLINE_EXCEEDED = 'MR_DEADLINE_EXCEEDED';
const TIMEOUT_EXCEEDED = 159;
const MEMORY_LIMIT_EXCEEDED = 241;

/** An embedded engine that does not open. It writes its reason to standard error and tells its caller none, so what is known to keep it from opening is looked for. */
export function engineUnopened(error: unknown, timeZone: string | undefined): Fault {
  const mend =
    timeZone !== undefined && !isTimeZone(timeZone)
      ? `TZ is ${timeZone}, which is no time zone; set one such as UTC, or none`
      : 'ClickHouse has written the reason before this line; the folder has to be whole, and to belong to the user of this process';
  return new Fault('MR_OFFLINE_STORE_UNOPENED', `the embedded offline store cannot be opened (${messageOf(error)}): ${mend}`, false, {
    cause: error,
  });
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name.replace(/^:/, '') });
    return true;
  } catch {
    return false;
  }
}

/** Any failure of the driver or the engine as a {@link Fault}. */
export function clickHouseFault(error: unknown, doing: string): Fault {
  if (isFault(error)) return error;
  const text = messageOf(error);
  const exception = exceptionOf(error, text);
  if (!exception) {
    const timeout = /timeout|aborted/i.test(text);
    return new Fault(
      timeout ? DEADLINE_EXCEEDED : 'MR_OFFLINE_STORE_UNAVAILABLE',
      `ClickHouse could not be reached while ${doing}: ${text}`,
      true,
      { cause: error },
    );
  }
  const { code, name } = exception;
  // A statement's own bound is met again; that of the whole engine passes.
  const retryable = PASSING.has(code) && !(code === MEMORY_LIMIT_EXCEEDED && /Query memory limit exceeded/.test(text));
  const details = { clickhouseCode: code, clickhouseName: name };
  if (code === TIMEOUT_EXCEEDED)
    return new Fault(DEADLINE_EXCEEDED, `ClickHouse ran out of time while ${doing}: ${text}`, true, { cause: error, details });
  return new Fault(
    retryable ? 'MR_OFFLINE_STORE_UNAVAILABLE' : 'MR_OFFLINE_STORE_REFUSED',
    `ClickHouse, while ${doing}: ${text}`,
    retryable,
    {
      cause: error,
      details,
    },
  );
}

/** The text of whatever was thrown; by shape, because the engine's errors are of another realm under Jest. */
export function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : String(error);
}

/** True when an insert was refused because of a row, not because of the table, the statement or the weather. */
export function isRowTrouble(error: unknown): boolean {
  const code = clickHouseCodeOf(error);
  return code !== undefined && ROW_TROUBLES.has(code);
}

/** ClickHouse's number on a fault, if it carries one. */
export function clickHouseCodeOf(error: unknown): number | undefined {
  const code = isFault(error) ? error.details['clickhouseCode'] : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** `@clickhouse/client` throws errors with `code` and `type`; chdb throws the text. */
function exceptionOf(error: unknown, text: string): ClickHouseException | undefined {
  const { code, type } = (error ?? {}) as { code?: unknown; type?: unknown };
  if (typeof code === 'string' && /^\d+$/.test(code)) {
    return { code: Number(code), name: typeof type === 'string' ? type : '', message: text };
  }
  return parseException(text);
}

/** Does it; an error of ClickHouse's, or of the way to it, becomes a fault that says what was being done. */
export async function withFaults<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw clickHouseFault(error, doing);
  }
}
