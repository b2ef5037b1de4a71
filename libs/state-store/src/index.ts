export { LmdbStateStore, type LmdbStateStoreOptions, type StateStoreOrigin } from './lmdb-state-store.js';
