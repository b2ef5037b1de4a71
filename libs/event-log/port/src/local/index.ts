export { LocalSubscriptions } from './local-subscriptions.js';
export { type Fetched, type FetchRequest, type RecordSource } from './partition-reader.js';
export { timerScheduler } from './timer-scheduler.js';
