import { defineConfig } from '@millrace/service';

/** Variables of this service alone; those every process shares are the kit's. */
export const trackingConfig = defineConfig('tracking', {});
