export { MAX_ONLINE_KEY_BYTES, type OnlineGuard, type OnlineStore, type OnlineWrite } from './online-store.js';
export { MemoryOnlineStore } from './memory-online-store.js';
