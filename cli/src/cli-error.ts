/** What the process ends with. Scripts rely on it. */
export const EXIT = {
  /** `diff` found a difference, `status` a process that is not ready, `models check` a version that failed, `models optimize` one the gate refuses. */
  found: 1,
  usage: 2,
  unreachable: 3,
  /** The server was asked and said no, or failed. */
  refused: 4,
} as const;

/** Ends the command with a text for people and an exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    message: string,
    readonly exitCode: number,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

export function isCliError(error: unknown): error is CliError {
  return error instanceof Error && error.name === 'CliError';
}
