/** What a list's URL says of the page that is wanted. */
export interface PageQuery {
  readonly limit?: string;
  readonly pageToken?: string;
}

/** Items of a page. */
export interface PageSize {
  /** Unless the URL says otherwise. */
  readonly usual: number;
  readonly highest: number;
}

/** How many items a page may have, as `?limit=` says. */
export function limitOf(limit: string | undefined, { usual, highest }: PageSize, invalid: (message: string) => Error): number {
  const most = limit === undefined ? usual : Number(limit);
  if (!Number.isInteger(most) || most < 1 || most > highest) throw invalid(`limit must be a whole number from 1 to ${highest}`);
  return most;
}

/** The items after the one `pageToken` names, all without one. */
export function itemsAfter<T>(
  items: readonly T[],
  pageToken: string | undefined,
  tokenOf: (item: T) => string,
  invalid: (message: string) => Error,
): readonly T[] {
  if (pageToken === undefined) return items;
  const place = items.findIndex((item) => tokenOf(item) === pageToken);
  if (place === -1) throw invalid('pageToken is not one this list gave');
  return items.slice(place + 1);
}

/** The first items of what is left of a list, and where there are more the token of the next page, as the reply has it. */
export function pageOf<T>(
  rest: readonly T[],
  most: number,
  tokenOf: (item: T) => string,
): { page: readonly T[]; next: { nextPageToken?: string } } {
  const page = rest.slice(0, most);
  const last = page.at(-1);
  return { page, next: rest.length > most && last !== undefined ? { nextPageToken: tokenOf(last) } : {} };
}
