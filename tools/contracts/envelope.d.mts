export interface Header {
  readonly name: string;
  readonly meaning: string;
  readonly required: boolean;
  /** What is asked of its text. */
  readonly schema?: Readonly<Record<string, unknown>>;
}

export const DEAD_LETTER_ENVELOPE: readonly Omit<Header, 'required'>[];
export function headersOf(kind: 'decisions' | 'facts'): readonly Header[];
