export { LmdbStateStore, type LmdbStateStoreOptions, type StateStoreOrigin } from './lmdb-state-store.js';
export { flawOfLmdbFile } from './store-file.js';
