import { runMain } from '@millrace/service';
import { inferenceConfig } from './config.js';
import { InferenceModule } from './inference.module.js';

await runMain(InferenceModule, [inferenceConfig]);
