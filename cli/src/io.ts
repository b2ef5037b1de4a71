/** What the command touches of the world; a test brings its own. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly stdin: () => Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether a person watches what goes to `err`: progress is shown to people only. */
  readonly isInteractive: boolean;
  /** Aborted when the person has had enough. */
  readonly interrupted: AbortSignal;
}
