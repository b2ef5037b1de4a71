import { runMain } from '@millrace/service';
import { platformConfig } from './config.js';
import { PlatformModule } from './platform.module.js';

await runMain(PlatformModule, platformConfig, 'platform');
