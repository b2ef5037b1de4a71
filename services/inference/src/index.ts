export { inferenceConfig } from './config.js';
export { InferenceModule } from './inference.module.js';
