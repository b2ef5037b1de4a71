import { commandMetadata, openSecretBox, sendPosition, type DomainLog } from '@millrace/service';
import { ARTIFACT_ROOT } from './api/mlflow/context.js';
import type { GatewayApi } from './api/mlflow/gateway/context.js';
import { mlflowErrorOf } from './api/mlflow/errors.js';
import type { TrackingCommands } from './commands/tracking-commands.js';
import { trackingConfig } from './config.js';
import { gateway, GATEWAY } from './domain/gateway/gateway.decider.js';
import type { Gateway } from './domain/gateway/gateway.js';
import type { TrackingView } from './queries/tracking-view.js';
import type { TrackingHost } from './tracking.runtime.js';

/** What the gateway to language models adds to the domain. */
export const GATEWAY_AGGREGATES = { gateway };

/** What the endpoints of the gateway are made of. */
export async function openGateway(
  { clock, ids, config }: TrackingHost,
  domain: DomainLog,
  {
    view,
    commands,
    experiment,
  }: { readonly view: TrackingView; readonly commands: TrackingCommands; readonly experiment: GatewayApi['experiment'] },
): Promise<GatewayApi> {
  const box = await openSecretBox(config, { purpose: 'gateway', key: config.of(trackingConfig).gatewayKey, file: 'gateway.key' });
  return {
    gateway: () => domain.replica.subject(GATEWAY).state as Gateway,
    upToDate: () => domain.barrier(),
    handle: (command, metadata) => domain.handle(GATEWAY, command, metadata),
    seal: (text) => box?.seal(text),
    canSeal: box !== undefined,
    experiment,
    experimentNamed: async (name, tags, metadata) => {
      const command = { type: 'CreateExperiment', name, artifactLocation: null, artifactRoot: ARTIFACT_ROOT, tags } as const;
      // A command of its own beside the one it is made for.
      const written = await commands.experiments(command, {
        ...metadata,
        commandId: ids.derived(metadata.commandId, 'gateway-experiment'),
      });
      if (written.kind === 'rejected' && written.rejection.code !== 'MR_TRACKING_EXPERIMENT_NAME_TAKEN')
        throw mlflowErrorOf(written.rejection);
      await view.upToDate();
      const found = view.experimentNamed(name);
      return found === undefined || found.deleted ? null : found.id;
    },
    newId: ({ commandId }, purpose) => ids.derived(commandId, purpose),
    metadata: (request) => commandMetadata(request, clock, ids),
    sendPosition,
  };
}
