import { invalid } from './mlflow-error.js';

/** A page token: base64 of `{"offset": n}`, as MLflow's own server makes it. */
export function pageToken(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString('base64');
}

/** The offset a page token stands for; 0 without one. */
export function offsetOf(token: string | undefined): number {
  if (!token) return 0;
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
  return offset;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string | undefined;
}

/** Cuts one page out of all items. */
export function pageOf<T>(all: readonly T[], offset: number, size: number): Page<T> {
  const end = offset + size;
  return { items: all.slice(offset, end), nextPageToken: end < all.length ? pageToken(end) : undefined };
}
