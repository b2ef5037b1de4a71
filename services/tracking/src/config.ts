import { defineConfig, keyText, variable } from '@millrace/service';

/** Variables of this service alone; those every process shares are the kit's. */
export const trackingConfig = defineConfig('tracking', {
  gatewayKey: variable(
    'MILLRACE_TRACKING_GATEWAY_KEY',
    keyText().optional(),
    'What the secrets of the gateway to language models are encrypted with on the log, 32 characters or more; every process of the tracking service needs the same. Without one a key is made in the data directory of the embedded platform, and such secrets are refused on Kafka.',
    { secret: true },
  ),
});
