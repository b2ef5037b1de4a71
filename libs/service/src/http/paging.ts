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

/** Of a list unless it says otherwise. */
export const LIST_PAGE: PageSize = { usual: 100, highest: 1000 };

/** Of lists whose items are long, or cost something to show. */
export const SHORT_PAGE: PageSize = { usual: 50, highest: 200 };

/** A part of a list, and where there is more the token of the next page, as the reply has it. */
export interface Page<T> {
  readonly page: readonly T[];
  readonly next: { readonly nextPageToken?: string };
}

/** A list that a route gives in pages. */
export interface PagedList<T> {
  /** All its items, in order; asked for once `limit` is known to be good, for some have to be waited for. */
  readonly items: () => readonly T[] | Promise<readonly T[]>;
  readonly tokenOf: (item: T) => string;
  /** The items are in the order of their tokens, so a token keeps its place when its item is gone; otherwise it is refused then. */
  readonly isInTokenOrder?: boolean;
  /** Which items were asked for. The one that a page begins after need not be among them any more. */
  readonly isWanted?: (item: T) => boolean;
  /** `LIST_PAGE` unless given. */
  readonly size?: PageSize;
  readonly invalid: (message: string, field: keyof PageQuery) => Error;
}

/** The page of a list that its URL asks for. */
export async function pageOf<T>({ limit, pageToken }: PageQuery, list: PagedList<T>): Promise<Page<T>> {
  const { tokenOf, isWanted, invalid, size = LIST_PAGE } = list;
  const most = limitOf(limit, size, (message) => invalid(message, 'limit'));
  const items = await list.items();
  const rest = pageToken === undefined ? items : itemsAfter(items, pageToken, list);
  return cutPage(isWanted ? rest.filter(isWanted) : rest, most, tokenOf);
}

/** How many items a page may have, as `?limit=` says. */
export function limitOf(limit: string | undefined, { usual, highest }: PageSize, invalid: (message: string) => Error): number {
  const most = limit === undefined ? usual : Number(limit);
  if (!Number.isInteger(most) || most < 1 || most > highest) throw invalid(`limit must be a whole number from 1 to ${highest}`);
  return most;
}

/** The first items of what is left of a list as a page. */
export function cutPage<T>(rest: readonly T[], most: number, tokenOf: (item: T) => string): Page<T> {
  const page = rest.slice(0, most);
  const last = page.at(-1);
  return { page, next: rest.length > most && last !== undefined ? { nextPageToken: tokenOf(last) } : {} };
}

function itemsAfter<T>(items: readonly T[], pageToken: string, { tokenOf, isInTokenOrder, invalid }: PagedList<T>): readonly T[] {
  if (isInTokenOrder) return items.filter((item) => tokenOf(item) > pageToken);
  const place = items.findIndex((item) => tokenOf(item) === pageToken);
  if (place === -1) throw invalid('pageToken is not one this list gave', 'pageToken');
  return items.slice(place + 1);
}
