import type { ArtifactStore } from '@millrace/artifact-store';
import type { CommandMetadata, Position } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RegistryCommands } from '../../commands/registry-commands.js';
import type { RegistryImports } from '../../commands/registry-imports.js';
import type { TrackedArtifacts } from '../../commands/source-resolver.js';
import type { RegistryView } from '../../queries/registry-view.js';

/** What the endpoints are made of. */
export interface RegistryApi {
  readonly commands: RegistryCommands;
  readonly imports: RegistryImports;
  readonly view: RegistryView;
  readonly artifacts: ArtifactStore;
  readonly runArtifactUri: TrackedArtifacts['ofRun'];
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, position: Position): void;
  onDefect(error: unknown, request: FastifyRequest): void;
}
