export { featuresConfig } from './config.js';
export { FeaturesModule } from './features.module.js';
