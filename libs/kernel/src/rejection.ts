/**
 * Errors come in three kinds. A *rejection* is expected: a rule said no, and `decide` returns it as a value.
 * A *fault* is operational and says whether retrying helps. A *defect* is a bug: it is thrown and never caught to be swallowed.
 * Tell them apart by `code`: `instanceof` breaks across realms (Jest, vm contexts).
 */
export interface Rejection<Code extends string = string> {
  /** `MR_<DOMAIN>_<REASON>`; a closed union per aggregate. */
  readonly code: Code;
  /** A sentence that names the field and the mend. */
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An operational failure: a store is down, a deadline passed, the log is full. */
export class Fault extends Error {
  override readonly name = 'Fault';
  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    options?: { cause?: unknown; details?: Readonly<Record<string, unknown>>; isRefusal?: boolean },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.details = options?.details ?? {};
    this.isRefusal = options?.isRefusal ?? false;
  }
  readonly details: Readonly<Record<string, unknown>>;
  /** Nothing of what was asked was done or will be, and asking again at once does not help: whoever waits can be told so. */
  readonly isRefusal: boolean;
}

/** What `work` gives; `undefined` where it ends in a fault that is forgiven. All else is thrown on. */
export function unlessFault<T>(work: () => T, isForgiven: (fault: Fault) => boolean = () => true): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isFault(error) || !isForgiven(error)) throw error;
    return undefined;
  }
}

/** True for a {@link Fault} of any realm. */
export function isFault(error: unknown): error is Fault {
  return error instanceof Error && error.name === 'Fault' && typeof (error as { code?: unknown }).code === 'string';
}
