import { runMain } from '@millrace/service';
import { featuresConfig } from './config.js';
import { FeaturesModule } from './features.module.js';

await runMain(FeaturesModule, [featuresConfig]);
