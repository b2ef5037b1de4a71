import type { MillraceClient } from './client.js';

/** Every item of a list, page by page: the lists of `/api/v1` end with a `nextPageToken` where there is more. */
export async function everyItem<T>(
  client: MillraceClient,
  path: string,
  field: string,
  query: Readonly<Record<string, string | undefined>> = {},
): Promise<T[]> {
  const found: T[] = [];
  let pageToken: string | undefined;
  do {
    const given = Object.entries({ ...query, pageToken }).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const asked = given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
    const page = await client.json<Readonly<Record<string, unknown>> & { readonly nextPageToken?: string }>('GET', asked);
    found.push(...(page[field] as readonly T[]));
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return found;
}
