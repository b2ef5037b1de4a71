export { RedisOnlineStore, type RedisOnlineStoreOptions } from './redis-online-store.js';
