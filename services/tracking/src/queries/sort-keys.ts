/** One term of an order, never NULL or NaN, so that it compares with itself. */
export interface SortKey {
  readonly expression: string;
  readonly ascending: boolean;
  readonly type: 'Int64' | 'Float64' | 'String';
}

/** Where a row stands in an order: its sort keys as text, doubles by their bits. Rows that come or go move nothing. */
export type KeyCursor = readonly string[];

type Bind = (type: string, value: string) => string;

/** A row's sort keys as columns `c0`, `c1` …, to make a {@link KeyCursor} of. */
export function cursorColumns(keys: readonly SortKey[]): string {
  return keys
    .map(
      ({ expression, type }, index) => `toString(${type === 'Float64' ? `reinterpretAsUInt64(${expression})` : expression}) AS c${index}`,
    )
    .join(', ');
}

export function orderBy(keys: readonly SortKey[]): string {
  return keys.map(({ expression, ascending }) => `${expression} ${ascending ? 'ASC' : 'DESC'}`).join(', ');
}

/** The rows behind a cursor: greater by the first key in which they differ from it. */
export function isAfter(keys: readonly SortKey[], cursor: KeyCursor, bind: Bind): string {
  return keys.reduceRight((rest, { expression, ascending, type }, index) => {
    const text = cursor[index] ?? '';
    const bound = type === 'Float64' ? `reinterpretAsFloat64(${bind('UInt64', text)})` : bind(type, text);
    const beyond = `${expression} ${ascending ? '>' : '<'} ${bound}`;
    return rest === '' ? beyond : `(${beyond} OR (${expression} = ${bound} AND ${rest}))`;
  }, '');
}

/** Whether a text can be a cursor of these keys: one each, and numbers where there are numbers. */
export function isCursorOf(keys: readonly SortKey[], cursor: KeyCursor): boolean {
  return cursor.length === keys.length && keys.every(({ type }, index) => SHAPES[type].test(cursor[index] as string));
}

const SHAPES = { Int64: /^-?\d{1,18}$/, Float64: /^\d{1,20}$/, String: /^/ } as const;
