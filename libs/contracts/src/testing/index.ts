export { goldenSamples, historyLines, historyOf, type Same, type Sample } from './samples.js';
