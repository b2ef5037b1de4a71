export { experimentationConfig } from './config.js';
export { ExperimentationModule } from './experimentation.module.js';
