export { definitions } from './definitions.js';
export { Flights, type Flight } from './flights.js';
export { logModel } from './main-job/log-model.js';
export { eventually, PlatformClient } from './main-job/platform-client.js';
export { trainLogisticRegression } from './trainer.js';
