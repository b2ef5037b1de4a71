import type { CommandMetadata, CommandOutcome } from '@millrace/kernel';
import { createHash } from 'node:crypto';
import type { ApplyContext } from '../apply-documents.js';
import { resource, type ResourceCommand, type ResourceState } from '../domain/resource/resource.decider.js';
import { ResourceCatalog } from '../resource-catalog.js';

export const METADATA: CommandMetadata = { commandId: 'c1', actor: 'test', now: 0 };

/** A context whose commands are decided and folded at once, as one replica would. */
export function context(): ApplyContext {
  const catalog = new ResourceCatalog();
  const states = new Map<string, ResourceState>();
  let offset = 0;
  return {
    catalog,
    checkShape: () => [],
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
    handle: async (subject, command: ResourceCommand, metadata): Promise<CommandOutcome> => {
      const state = states.get(subject) ?? resource.initial();
      const decision = resource.decide(command, state, { subject, commandId: metadata.commandId, time: 0, actor: 'test' });
      const position = { topic: 'millrace.resources.decisions', partition: 0, offset };
      if (decision.kind === 'reject') return { kind: 'rejected', rejection: decision.rejection };
      if (decision.kind === 'unchanged') return { kind: 'unchanged', sequence: offset, position };
      offset++;
      states.set(subject, resource.evolve(state, decision.event, { subject, sequence: offset, time: 0, actor: 'test' }));
      catalog.apply(decision.event);
      return { kind: 'accepted', event: decision.event, sequence: offset, position, repeated: false };
    },
  };
}
