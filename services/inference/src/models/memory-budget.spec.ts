import { describe, expect, test } from '@jest/globals';
import { sessionMemory } from '../runner/model-memory.js';
import { MemoryBudget, NoRoom, type Evictable } from './memory-budget.js';

const artifactBytes = 1_000;
const one = sessionMemory(artifactBytes);
const model = (name: string, idle: number, leases = 0): Evictable & { name: string } => ({
  name,
  memoryBytes: one,
  leases,
  idleMs: () => idle,
});
const admit = (most: number, loaded: ReturnType<typeof model>[], mayEvict = true): string[] =>
  new MemoryBudget(most * one).admit({ artifactBytes, loaded, mayEvict }).map(({ name }) => name);

describe('the memory of models', () => {
  test('is left alone while there is room', () => {
    expect(admit(2, [model('a', 10)])).toEqual([]);
  });

  test('is taken from the longest unused, as many as it takes, from those at work last', () => {
    expect(admit(3, [model('a', 10), model('b', 30), model('c', 20)])).toEqual(['b']);
    expect(admit(1.5, [model('a', 10), model('b', 30)])).toEqual(['b', 'a']);
    expect(admit(2, [model('busy', 0, 1), model('fresh', 0)])).toEqual(['fresh']);
    expect(admit(1, [model('busy', 0, 1)])).toEqual(['busy']);
  });

  test('is not taken for what nobody has asked for', () => {
    expect(() => admit(1, [model('a', 10)], false)).toThrow(NoRoom);
    expect(() => admit(1, [model('a', 10)], false)).toThrow(/it is loaded when it is asked for/);
  });

  test('never suffices for a model larger than all of it', () => {
    expect(() => admit(0.5, [])).toThrow(
      /needs about .* MiB of memory, more than all models may take \(MILLRACE_INFERENCE_MEMORY, .* MiB\)/,
    );
  });
});
