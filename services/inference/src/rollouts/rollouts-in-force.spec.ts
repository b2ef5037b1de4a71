import { assigner } from '@millrace/assignment';
import { expect, test } from '@jest/globals';
import { rollout, type RolloutState } from '../domain/rollout/rollout.decider.js';
import { planOf } from './rollout-plan.js';
import { RolloutsInForce } from './rollouts-in-force.js';

const canary = (change: Partial<RolloutState> = {}, candidate = 'models:/delay/2'): RolloutState => ({
  ...rollout.initial(),
  ...{ status: 'running', run: 1, version: 1, share: 0.1 },
  plan: planOf('delay-v2', { deployment: 'delay', candidate, strategy: 'canary', steps: ['10%'], unit: 'origin' }),
  ...change,
});

test('when the share grows, units move only to the candidate; rolled back, nobody is split any more', () => {
  const inForce = new RolloutsInForce();
  const units = Array.from({ length: 3000 }, (_, index) => `u${index}`);
  const assignedAt = (share: number): (string | null)[] => {
    inForce.set('delay-v2', canary({ share }));
    return units.map(assigner(inForce.splitOf('delay')!));
  };
  const [before, after] = [assignedAt(0.1), assignedAt(0.4)];
  expect(before.filter((variant) => variant === 'candidate').length / 3000).toBeCloseTo(0.1, 1);
  for (const [index, variant] of before.entries()) if (variant === 'candidate') expect(after[index]).toBe('candidate');
  expect(inForce.splitOf('delay')).toMatchObject({ name: 'delay-v2', salt: 'delay-v2', unit: 'origin', isRollout: true });
  expect(inForce.references()).toEqual(['models:/delay/2']);
  inForce.set('delay-v2', canary({ status: 'rolledBack', share: 0 }));
  expect([inForce.splitOf('delay'), inForce.promoted('delay'), inForce.references()]).toEqual([undefined, [], []]);
});

test('a promoted candidate is the primary of the next rollout', () => {
  const inForce = new RolloutsInForce();
  inForce.set('delay-v2', canary({ status: 'promoted', share: 1 }));
  expect([inForce.promoted('delay'), inForce.splitOf('delay'), inForce.activeOn('delay')]).toEqual([
    ['models:/delay/2'],
    undefined,
    undefined,
  ]);
  inForce.set('delay-v3', canary({}, 'models:/delay/3'));
  expect([inForce.promoted('delay'), inForce.activeOn('delay')]).toEqual([['models:/delay/2'], 'delay-v3']);
  expect(inForce.references()).toEqual(['models:/delay/2', 'models:/delay/3']);
});

test('of several that were promoted the latest goes first, and each is the version its run was about', () => {
  const inForce = new RolloutsInForce();
  const arms = { primary: { model: 'delay', version: 1 }, candidate: { model: 'delay', version: 7 } };
  inForce.set('a', canary({ status: 'promoted', share: 1, stepSince: 9, arms }, 'models:/delay@next'));
  inForce.set('b', canary({ status: 'promoted', share: 1, stepSince: 5 }, 'models:/delay/3'));
  expect(inForce.promoted('delay')).toEqual(['models:/delay/7', 'models:/delay/3']);
  expect(['a', 'b', 'c'].map((name) => inForce.promotedBeside(name, 'delay'))).toEqual([
    'models:/delay/3',
    'models:/delay/7',
    'models:/delay/7',
  ]);
});

test('of two on one deployment the first by name runs, in whatever order they were read', () => {
  for (const names of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const inForce = new RolloutsInForce();
    for (const name of names) inForce.set(name, canary());
    expect([inForce.splitOf('delay')?.name, inForce.activeOn('delay')]).toEqual(['a', 'a']);
  }
});

test('a shadow mirrors and splits nobody', () => {
  const inForce = new RolloutsInForce();
  const plan = planOf('s', { deployment: 'delay', candidate: 'models:/delay/2', strategy: 'shadow', mirror: '25%' });
  inForce.set('s', canary({ plan, share: 0, run: 4 }));
  expect(inForce.splitOf('delay')).toBeUndefined();
  expect(inForce.mirrorOf('delay')).toEqual({ rollout: 's', run: 4, candidate: 'models:/delay/2', share: 0.25 });
});
