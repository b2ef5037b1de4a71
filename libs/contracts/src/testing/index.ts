export { aggregatesWithHistory, eventTypes, goldenSamples, historyLines, historyOf, type Same, type Sample } from './samples.js';
