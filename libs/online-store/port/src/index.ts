export type { OnlineStore, OnlineWrite } from './online-store.js';
