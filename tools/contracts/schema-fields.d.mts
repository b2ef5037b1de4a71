export interface SchemaField {
  /** `points[].value`, `entity.*` */
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly fallback: unknown;
  readonly meaning: string;
}

export function fieldsOf(schema: Readonly<Record<string, unknown>>): readonly SchemaField[];
