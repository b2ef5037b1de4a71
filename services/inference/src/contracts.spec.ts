import { checkEvent, type inference } from '@millrace/contracts';
import { historyLines, historyOf, type Same } from '@millrace/contracts/testing';
import { describe, expect, test } from '@jest/globals';
import { foldHistory } from '@millrace/kernel/testing';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rollout } from './domain/rollout/rollout.decider.js';
import type * as events from './domain/rollout/rollout.events.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<inference.RolloutStarted, events.RolloutStarted>,
  true satisfies Same<inference.RolloutAdvanced, events.RolloutAdvanced>,
  true satisfies Same<inference.RolloutHeld, events.RolloutHeld>,
  true satisfies Same<inference.RolloutRolledBack, events.RolloutRolledBack>,
  true satisfies Same<inference.RolloutReweighted, events.RolloutReweighted>,
  true satisfies Same<inference.RolloutPaused, events.RolloutPaused>,
  true satisfies Same<inference.RolloutResumed, events.RolloutResumed>,
  true satisfies Same<inference.RolloutWithdrawn, events.RolloutWithdrawn>,
];

const SCHEMAS = join(import.meta.dirname, '../../../schemas/inference');
const history = historyLines('inference', 'rollout');

describe('the decisions of inference and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test('every decision is in the history', () => {
    const types = readdirSync(SCHEMAS).filter((name) => name.startsWith('Rollout'));
    expect(new Set(history.map(({ type }) => type))).toEqual(new Set(types));
  });

  test('an old history folds to what it always did', () => {
    for (const { type, version, data } of history) expect(checkEvent('inference', type, version, data)).toBeUndefined();
    const { state, digests } = foldHistory(rollout, 'rollout/delay-v2', historyOf('inference', 'rollout') as never);
    expect(state).toMatchObject({ status: 'withdrawn', run: 2, version: 2, share: 0, startedAt: 8, rewarded: 101 });
    expect(digests).toEqual([
      '0fd61a8e881d',
      '71be66ad18ef',
      'c9195e240ab7',
      'dcaa0933b064',
      'b891ccfff4aa',
      '793d471f03b4',
      '49b8d22755cf',
      '1f1c18dd19b7',
      '2132b76c8c55',
      '49eade028f53',
    ]);
  });
});
