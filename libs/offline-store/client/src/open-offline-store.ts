import { ChdbOfflineStore } from './chdb-offline-store.js';
import type { ChdbSessionOptions } from './chdb-session.js';
import type { OfflineStore } from './offline-store.js';
import { ServerOfflineStore, type ServerOptions } from './server-offline-store.js';

/** Where the offline store is: a server's URL, or a directory for chdb in this process. */
export type OfflineStoreLocation = ServerOptions | ({ readonly path: string } & ChdbSessionOptions);

/** The one database everything lives in; migrations and views name it. */
export const DATABASE = 'millrace';

/** Opens the store and makes sure its database is there. */
export async function openOfflineStore(location: OfflineStoreLocation): Promise<OfflineStore> {
  if ('path' in location) return ChdbOfflineStore.open(location.path, DATABASE, location);
  return ServerOfflineStore.open(location, DATABASE);
}
