import type { ArtifactStore } from '@millrace/artifact-store';
import type { Clock, Ids } from '@millrace/kernel';
import { directoryDigest } from '@millrace/model-signing';
import type { OfflineStore } from '@millrace/offline-store';
import {
  ArtifactRecords,
  atLeast,
  awaitPosition,
  commandMetadata,
  sendPosition,
  signingKeyOf,
  trustedKeysOf,
  type Config,
  type DomainLog,
  type Facts,
  type TableProjections,
} from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import { integrityRoutes } from './api/rest/integrity.routes.js';
import type { RegistryCommands } from './commands/registry-commands.js';
import { VersionSigner } from './commands/version-signer.js';
import { integrityOf } from './queries/integrity.query.js';
import type { RegistryView, VersionView } from './queries/registry-view.js';

export interface IntegrityHost {
  readonly tables: TableProjections;
  readonly facts: Facts;
  readonly offline: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly config: Config;
}

/** Opens what signs versions: the key, and the records of what was uploaded. */
export async function openSigner({ tables, facts, offline, artifacts, config }: IntegrityHost): Promise<VersionSigner> {
  const records = await ArtifactRecords.open({ tables, offline, facts, queryDeadlineMs: config.queryDeadlineMs });
  return new VersionSigner({ store: artifacts, key: signingKeyOf(config), recorded: (root) => records.of(root) });
}

/** Opens manifests, keys and verification. */
export function openIntegrity(
  host: Pick<IntegrityHost, 'artifacts' | 'config'> & { readonly clock: Clock; readonly ids: Ids },
  signer: VersionSigner,
  registry: { readonly domain: DomainLog; readonly view: RegistryView; readonly commands: RegistryCommands },
): (scope: FastifyInstance) => void {
  const { artifacts, config, clock, ids } = host;
  const { domain, view, commands } = registry;
  const trusted = trustedKeysOf(config);
  return (scope) =>
    integrityRoutes(scope, {
      view,
      store: artifacts,
      keys: trusted,
      verify: (version) => integrityOf({ store: artifacts, signer, trusted }, version),
      sign: async ({ registered, version }: VersionView, metadata) => {
        const refused = (code: 'MR_REGISTRY_SIGNING_REFUSED', message: string) =>
          ({ kind: 'rejected', rejection: { code, message } }) as const;
        const label = `version ${version.version} of ${registered.name}`;
        if (signer.keyId === undefined) return refused('MR_REGISTRY_SIGNING_REFUSED', 'the registry has no key; set MILLRACE_SIGNING_KEY');
        const files = version.artifactPath === null ? [] : await signer.files(version.artifactPath);
        if (files.length === 0 || directoryDigest(files) !== version.digest) {
          const why = files.length === 0 ? 'its files are not here' : 'its files are others than those that were registered';
          return refused('MR_REGISTRY_SIGNING_REFUSED', `${label} is not signed: ${why}; register what is to be served as a new version`);
        }
        const signature = await signer.sign(registered.name, files);
        if (!signature) throw new TypeError('a signer with a key signs files');
        return commands.version(registered.name, { type: 'SignVersion', version: version.version, signature }, metadata);
      },
      upToDate: async (request) => {
        if (atLeast(request).length > 0) await awaitPosition(request, domain);
        else await view.upToDate();
      },
      metadata: (request) => commandMetadata(request, clock, ids),
      sendPosition,
    });
}
