import { defineConfig, duration, flag, integer, keyText, text, url, variable } from '@millrace/service';

/** Variables of this service alone; those every process shares are the kit's. */
export const registryConfig = defineConfig(
  'registry',
  {
    webhookAttempts: variable(
      'MILLRACE_REGISTRY_WEBHOOK_ATTEMPTS',
      integer(1, 50, 10),
      'How often a webhook delivery is tried before it is given up.',
    ),
    webhookFirstPauseMs: variable(
      'MILLRACE_REGISTRY_WEBHOOK_FIRST_PAUSE',
      duration('1s'),
      'How long after the first attempt of a webhook delivery comes the second; each later pause is twice as long, up to an hour.',
    ),
    webhookTimeoutMs: variable(
      'MILLRACE_REGISTRY_WEBHOOK_TIMEOUT',
      duration('10s', { least: '1ms' }),
      'How long a webhook’s receiver may take to answer.',
    ),
    webhookPrivate: variable(
      'MILLRACE_REGISTRY_WEBHOOK_PRIVATE',
      flag(false),
      'Let webhooks lead to loopback and private addresses, which are refused otherwise.',
    ),
    webhookKey: variable(
      'MILLRACE_REGISTRY_WEBHOOK_KEY',
      keyText().optional(),
      'What webhook secrets are encrypted with on the log, 32 characters or more; every process of the registry needs the same. Without one a key is made in the data directory of the embedded platform, and webhooks with a secret are refused on Kafka.',
      { secret: true },
    ),
    openLineageUrl: variable(
      'MILLRACE_REGISTRY_OPENLINEAGE_URL',
      url('http:', 'https:').optional(),
      'Where OpenLineage events are posted, e.g. `http://marquez:5000/api/v1/lineage`. Not set: they are sent nowhere, and can be read at `/api/v1/lineage/events`.',
    ),
    openLineageApiKey: variable(
      'MILLRACE_REGISTRY_OPENLINEAGE_API_KEY',
      text().optional(),
      'Sent along with the events as a bearer token.',
      { secret: true },
    ),
    openLineageNamespace: variable(
      'MILLRACE_REGISTRY_OPENLINEAGE_NAMESPACE',
      text().optional(),
      'Namespace of our jobs and datasets in OpenLineage. Not set: `millrace://` and the workspace.',
    ),
  },
  ({ openLineageUrl, openLineageApiKey }) =>
    openLineageApiKey !== undefined && openLineageUrl === undefined
      ? ['MILLRACE_REGISTRY_OPENLINEAGE_API_KEY is set, so MILLRACE_REGISTRY_OPENLINEAGE_URL has to be']
      : [],
);
