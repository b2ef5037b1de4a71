export { deciderSpec, type DeciderSpec, type Then, type When } from './decider-spec.js';
export { digestOf } from './digest.js';
export { foldHistory, type FoldedHistory } from './history.js';
