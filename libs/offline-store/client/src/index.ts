export type { OfflineStore, SqlParameters } from './offline-store.js';
