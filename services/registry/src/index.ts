export { registryConfig } from './config.js';
export { RegistryModule } from './registry.module.js';
