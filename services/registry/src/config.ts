import { kitConfig, type ConfigGroup } from '@millrace/service';

/** What this service reads from the environment: the kit's variables; it has none of its own yet. */
export const registryConfig: readonly ConfigGroup[] = [kitConfig];
