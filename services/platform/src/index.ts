export { AnalystsPort } from './analysts-port.js';
export { platformConfig } from './config.js';
export { PlatformModule } from './platform.module.js';
export { serviceOf, SERVICES, type ServiceName } from './router/routes.js';
export { Router, type RouterOptions } from './router/router.js';
