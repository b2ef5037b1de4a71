/** What a validator says of one mistake; a part of Ajv's error object. */
export interface ValidationError {
  /** JSON pointer to the value. */
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** The value, where the validator keeps it. */
  readonly data?: unknown;
  /** The schema that has the keyword. */
  readonly parentSchema?: object;
}

/** A generated validator: true, or false with `errors` set until its next call. */
export interface Validator {
  (data: unknown): boolean;
  readonly errors?: readonly ValidationError[] | null;
}
