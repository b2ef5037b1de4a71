import { accept, canonical, reject, unchanged, type Decider, type Rejection } from '@millrace/kernel';
import type { ResourceApplied, ResourceEvent } from './resource.events.js';

export type ResourceCommand =
  { readonly type: 'ApplyResource'; readonly resource: Omit<ResourceApplied, 'version'> } | { readonly type: 'DeleteResource' };

export type ResourceRejection = Rejection<'MR_RESOURCES_NOT_FOUND'>;

/** Every version stays readable: a model may have been trained on an old one. */
export interface ResourceState {
  status: 'absent' | 'present' | 'deleted';
  /** By version - 1. */
  versions: ResourceApplied[];
}

export const resource: Decider<ResourceState, ResourceCommand, ResourceEvent, ResourceRejection> = {
  initial: () => ({ status: 'absent', versions: [] }),

  evolve(state, event) {
    switch (event.type) {
      case 'ResourceApplied':
        state.status = 'present';
        state.versions[event.data.version - 1] = event.data;
        return state;
      case 'ResourceDeleted':
        state.status = 'deleted';
        return state;
      default:
        return state;
    }
  },

  decide(command, state, context) {
    switch (command.type) {
      case 'ApplyResource': {
        const current = state.versions.at(-1);
        if (current && state.status === 'present' && isSame(current, command.resource)) return unchanged;
        const version = current === undefined ? 1 : hasSameMeaning(current, command.resource) ? current.version : current.version + 1;
        return accept('ResourceApplied', { ...command.resource, version });
      }
      case 'DeleteResource': {
        const current = state.versions.at(-1);
        if (!current || state.status !== 'present') {
          return reject(
            'MR_RESOURCES_NOT_FOUND',
            `${context.subject.replace('resource/', '')} does not exist; list what does with GET /api/v1/resources`,
          );
        }
        return accept('ResourceDeleted', { kind: current.kind, name: current.name, version: current.version });
      }
    }
  },
};

/** A definition from before there were pins is that of its next application. */
function hasSameMeaning(current: ResourceApplied, applied: Omit<ResourceApplied, 'version'>): boolean {
  return current.hash === applied.hash && (current.pins === undefined || canonical(current.pins) === canonical(applied.pins ?? {}));
}

function isSame(current: ResourceApplied, applied: Omit<ResourceApplied, 'version'>): boolean {
  return (
    hasSameMeaning(current, applied) &&
    current.description === applied.description &&
    canonical(current.labels) === canonical(applied.labels) &&
    canonical(current.spec) === canonical(applied.spec)
  );
}

export const RESOURCE_AGGREGATE = 'resource';

export function resourceSubject(kind: string, name: string): string {
  return `${RESOURCE_AGGREGATE}/${kind}/${name}`;
}
