export { trackingConfig } from './config.js';
export { TrackingModule } from './tracking.module.js';
