import { onlineStoreContract } from './contract.js';
import { MemoryOnlineStore } from './memory-online-store.js';

const store = new MemoryOnlineStore();
onlineStoreContract('MemoryOnlineStore', { open: async () => store });
