import { experimentationConfig } from '@millrace/experimentation';
import { featuresConfig } from '@millrace/features';
import { inferenceConfig } from '@millrace/inference';
import { registryConfig } from '@millrace/registry';
import type { ConfigGroup } from '@millrace/service';
import { trackingConfig } from '@millrace/tracking';

/** The platform hosts every service, so it reads every service's variables. */
export const platformConfig: readonly ConfigGroup[] = [
  trackingConfig,
  registryConfig,
  featuresConfig,
  inferenceConfig,
  experimentationConfig,
];
