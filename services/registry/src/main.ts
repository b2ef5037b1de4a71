import { runMain } from '@millrace/service';
import { registryConfig } from './config.js';
import { RegistryModule } from './registry.module.js';

await runMain(RegistryModule, [registryConfig]);
