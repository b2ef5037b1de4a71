import type { CommandMetadata, Position } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GovernanceCommands } from '../../commands/governance-commands.js';
import type { Rule } from '../../domain/governance/rules.js';
import type { AuditDecision, AuditFilter, AuditPage } from '../../queries/audit.query.js';
import type { ModelCard } from '../../queries/model-card.js';
import type { RegistryView, VersionView } from '../../queries/registry-view.js';

/** What our own REST over the registry is made of. */
export interface GovernanceApi {
  readonly commands: GovernanceCommands;
  readonly view: RegistryView;
  /** The policies of a model, as far as this process has read. */
  readonly rules: (model: string) => readonly Rule[];
  readonly card: (version: VersionView) => Promise<ModelCard>;
  readonly audit: {
    page(filter: AuditFilter, limit: number, pageToken: string | undefined): Promise<AuditPage>;
    trail(filter: AuditFilter): AsyncIterable<AuditDecision>;
    /** Ids of the models that have or had a name. */
    named(name: string): Promise<readonly string[]>;
    /** Last names of the models that were deleted, by id. */
    deleted(): Promise<ReadonlyMap<string, string>>;
  };
  /** Waits for the positions a request names, or for all there is now. */
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, position: Position): void;
  now(): number;
}
