export { LmdbOnlineStore, type LmdbOnlineStoreOptions } from './lmdb-online-store.js';
