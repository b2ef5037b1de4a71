import { invalid } from '@millrace/mlflow-protocol';
import { cutPage } from '@millrace/service';
import type { KeyCursor } from '../../queries/sort-keys.js';

interface FoundPage<T> {
  readonly page: readonly T[];
  readonly next: { readonly next_page_token?: string };
}

/** The page of what was found, one more than `limit` where there are more, and the token of the next, as MLflow's replies have it. */
export function foundPage<T>(found: readonly T[], limit: number, tokenOf: (last: T) => string): FoundPage<T> {
  const { page, next } = cutPage(found, limit, tokenOf);
  return { page, next: next.nextPageToken === undefined ? {} : { next_page_token: next.nextPageToken } };
}

/**
 * A page whose token is the sort keys of its last entry, so that what is added or taken away meanwhile neither repeats nor hides another.
 * Clients hand it back as it is.
 */
export function keyPage<T>(found: readonly T[], limit: number, cursorOf: (entry: T) => KeyCursor): FoundPage<T> {
  return foundPage(found, limit, (last) => Buffer.from(JSON.stringify({ after: cursorOf(last) })).toString('base64'));
}

/** The cursor a page token stands for. A token of another search is refused: its keys would be compared with the wrong columns. */
export function keyCursorOf(token: string | undefined, isOfSearch: (cursor: KeyCursor) => boolean): KeyCursor | undefined {
  if (!token) return undefined;
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(token)) throw invalid('Invalid page token, could not base64-decode');
  const text = Buffer.from(token, 'base64').toString('utf8');
  const cursor = afterOf(text);
  if (!cursor || !isOfSearch(cursor)) {
    throw invalid(`Invalid page token, decoded value=${text.slice(0, 250)}. Send the token of the page before, with the same order_by.`);
  }
  return cursor;
}

function afterOf(text: string): KeyCursor | undefined {
  try {
    const { after } = JSON.parse(text) as { after?: unknown };
    return Array.isArray(after) && after.every((key) => typeof key === 'string') ? after : undefined;
  } catch {
    return undefined;
  }
}
