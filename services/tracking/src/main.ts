import { runMain } from '@millrace/service';
import { trackingConfig } from './config.js';
import { TrackingModule } from './tracking.module.js';

await runMain(TrackingModule, [trackingConfig]);
