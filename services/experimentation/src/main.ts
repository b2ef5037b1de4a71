import { runMain } from '@millrace/service';
import { experimentationConfig } from './config.js';
import { ExperimentationModule } from './experimentation.module.js';

await runMain(ExperimentationModule, [experimentationConfig]);
