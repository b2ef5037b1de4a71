import { defineConfig, text, url, variable } from '@millrace/service';

/** Variables of this service alone; those every process shares are the kit's. */
export const registryConfig = defineConfig(
  'registry',
  {
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
