import { describe, expect, test } from '@jest/globals';
import { checkEvent, type resources } from '@millrace/contracts';
import { type Same, aggregatesWithHistory, eventTypes, goldenSamples, historyOf } from '@millrace/contracts/testing';
import { canonical } from '@millrace/kernel';
import { foldHistory } from '@millrace/kernel/testing';
import { createHash } from 'node:crypto';
import { resource, resourceSubject } from './domain/resource/resource.decider.js';
import type { ResourceApplied, ResourceDeleted, ResourceEvent } from './domain/resource/resource.events.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<resources.ResourceApplied, ResourceApplied>,
  true satisfies Same<resources.ResourceDeleted, ResourceDeleted>,
];

const TYPES = ['ResourceApplied', 'ResourceDeleted'] as const;

const samples = goldenSamples('resources');
const history = historyOf('resources', 'resource') as ResourceEvent[];

describe('the events of resources and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('resources', type, version, data)).toBeUndefined();
    const fold = (): unknown => foldHistory(resource, 'resource/Entity/origin', [{ type, data } as ResourceEvent]).state;
    expect(canonical(fold())).toBe(canonical(fold()));
  });
});

describe('an old history', () => {
  test('folds to what it always did', () => {
    const { state, digests } = foldHistory(resource, resourceSubject('Entity', 'origin'), history);
    const origin = { kind: 'Entity', name: 'origin' };
    const one = {
      hash: '9923cdf5009347b4a6f0a479138a35b74c01372ee3949c3cd3d0dfb0a21325d5',
      spec: { joinKeys: { origin: 'String' } },
    };
    expect(state).toEqual({
      status: 'deleted',
      versions: [
        { ...origin, version: 1, ...one, labels: {}, description: null },
        {
          ...origin,
          version: 2,
          hash: '09adb1721b6527503e71f7dbf33f80a56c429d792ce9c878f9f67ddf068314d8',
          spec: { joinKeys: { origin: 'String', carrier: 'String' } },
          labels: { team: 'data' },
          description: 'from where, and with whom, a flight leaves',
        },
        { ...origin, version: 3, ...one, labels: {}, description: null },
      ],
    });
    expect(digests).toEqual(['ef28d9cb5de7', 'f5a01df388cd', '2e2c5e39185c', '5239d96d22a2', 'd25cbc3f10a2', 'a4a7ac623365']);
  });

  test('has the hashes that a spec has to this day: a version is never taken for another', () => {
    for (const event of history) {
      if (event.type !== 'ResourceApplied') continue;
      expect(event.data.hash).toBe(createHash('sha256').update(canonical(event.data.spec)).digest('hex'));
    }
  });

  test('holds every event, and there is no other that nobody folds', () => {
    expect(aggregatesWithHistory('resources')).toEqual(['resource']);
    expect([...new Set(history.map(({ type }) => type))].sort()).toEqual([...TYPES]);
    expect(eventTypes('resources')).toEqual([...TYPES]);
  });
});
