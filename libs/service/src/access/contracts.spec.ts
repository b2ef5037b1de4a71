import { describe, expect, test } from '@jest/globals';
import { checkEvent, type access } from '@millrace/contracts';
import { type Same, aggregatesWithHistory, eventTypes, goldenSamples, historyOf } from '@millrace/contracts/testing';
import { canonical } from '@millrace/kernel';
import { foldHistory } from '@millrace/kernel/testing';
import { keys, KEYS } from './domain/keys/keys.decider.js';
import type { ApiKeyCreated, ApiKeyRevoked, KeysEvent } from './domain/keys/keys.events.js';

const SAME: readonly true[] = [
  true satisfies Same<access.ApiKeyCreated, ApiKeyCreated>,
  true satisfies Same<access.ApiKeyRevoked, ApiKeyRevoked>,
];

const TYPES = ['ApiKeyCreated', 'ApiKeyRevoked'] as const;

const samples = goldenSamples('access');
const history = historyOf('access', 'keys') as KeysEvent[];

describe('the events of access and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('access', type, version, data)).toBeUndefined();
    const fold = (): unknown => foldHistory(keys, KEYS, [{ type, data } as KeysEvent]).state;
    expect(canonical(fold())).toBe(canonical(fold()));
  });
});

describe('an old history of keys', () => {
  test('folds to what it always did', () => {
    const { state, digests } = foldHistory(keys, KEYS, history);
    expect([...state.byId.values()].map(({ hash: _, ...key }) => key)).toEqual([
      {
        ...{ keyId: '00000000000000a1', name: 'first', actor: 'admin', workspace: '*', role: 'admin', expiresAt: null },
        ...{ createdAt: 1, createdBy: 'ann', revoked: null },
      },
      {
        ...{ keyId: '00000000000000a2', name: 'trainer', actor: 'ana', workspace: 'default', role: 'editor', expiresAt: 1798761600000 },
        ...{ createdAt: 2, createdBy: 'ann', revoked: { at: 3, by: 'ann', reason: 'left in a notebook' } },
      },
      {
        ...{ keyId: '00000000000000a3', name: 'trainer', actor: 'ana', workspace: 'default', role: 'approver', expiresAt: null },
        ...{ createdAt: 4, createdBy: 'ann', revoked: null },
      },
    ]);
    expect(digests).toEqual(['e4b52f7ba0d3', '8ea1f8488781', '5560968344f3', '0b1d78f904c0']);
  });

  test('holds every event, and there is no other that nobody folds', () => {
    expect(aggregatesWithHistory('access')).toEqual(['keys']);
    expect([...new Set(history.map(({ type }) => type))].sort()).toEqual([...TYPES]);
    expect(eventTypes('access')).toEqual([...TYPES]);
  });
});
