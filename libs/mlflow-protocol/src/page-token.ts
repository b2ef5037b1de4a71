import { invalid } from './mlflow-error.js';

/** A page token: base64 of `{"offset": n}`, as MLflow's own server makes it. */
export function pageToken(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString('base64');
}

/** Where a page begins: after an entry, and at an offset where that entry is no longer in the list. */
export interface Cursor {
  readonly after: string | undefined;
  readonly offset: number;
}

/** A token that names the page's last entry, so that what is added or taken away before it shifts nothing. */
export function cursorToken(after: string, offset: number): string {
  return Buffer.from(JSON.stringify({ offset, after })).toString('base64url');
}

/** What a page token says; the beginning without one. A token that only has an offset is taken too. */
export function cursorOf(token: string | undefined): Cursor {
  if (!token) return { after: undefined, offset: 0 };
  const { offset, after } = parseToken(token);
  return { offset, after: typeof after === 'string' ? after : undefined };
}

/** The offset a page token stands for; 0 without one. */
export function offsetOf(token: string | undefined): number {
  return token ? parseToken(token).offset : 0;
}

function parseToken(token: string): { offset: number; after?: unknown } {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(token)) throw invalid('Invalid page token, could not base64-decode');
  const text = Buffer.from(token, 'base64').toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid(`Invalid page token, decoded value=${text}`);
  }
  const offset = typeof parsed === 'object' && parsed !== null ? Number((parsed as { offset?: unknown }).offset) : NaN;
  if (!Number.isSafeInteger(offset) || offset < 1) throw invalid(`Invalid page token, parsed value=${text}`);
  return { offset, after: (parsed as { after?: unknown }).after };
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string | undefined;
}

/** Cuts one page out of all items, which have ids. */
export function pageAfter<T>(all: readonly T[], { after, offset }: Cursor, size: number, idOf: (item: T) => string): Page<T> {
  const found = after === undefined ? -1 : all.findIndex((item) => idOf(item) === after);
  const start = found < 0 ? offset : found + 1;
  const items = all.slice(start, start + size);
  const last = items.at(-1);
  return { items, nextPageToken: last !== undefined && start + size < all.length ? cursorToken(idOf(last), start + size) : undefined };
}
