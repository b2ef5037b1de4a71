import { describe, expect, test } from '@jest/globals';
import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { Refusal, type RefusalCode } from '../domain/refusal.js';
import { runOrFallBack, type Runnable } from './fallback.js';

const SPLIT: ExperimentDefinition = { ...{ name: 'r', salt: 'r', traffic: 1, unit: 'u', variants: [] }, isRollout: true, fallsBack: true };

/** A request whose candidate fails with `code`; who was asked, in order, and what is leased at the end. */
async function asked(
  code: RefusalCode,
  change: { experiment?: ExperimentDefinition; variant?: string; leftMs?: number; isLoaded?: boolean },
) {
  const { experiment = SPLIT, variant = 'candidate', leftMs = 100, isLoaded = true } = change;
  let leases = 0;
  const asks: (string | null)[] = [];
  const loads: number[] = [];
  const model = { lease: () => (leases++, () => leases--) } as unknown as Runnable['model'];
  let current = isLoaded ? model : undefined;
  const served = {
    reference: 'models:/m/1',
    slotOf: () => ({ current }) as never,
    load: (_reference: string, waitMs: number) => {
      loads.push(waitMs);
      current = model;
      return Promise.resolve();
    },
  };
  const run = (work: Runnable): Promise<string> => {
    asks.push(work.group.variant);
    if (asks.length === 1) return Promise.reject(new Refusal(code, 'it did not'));
    return Promise.resolve(`${work.group.reference} ${work.group.rows.join()} ${work.experiment?.name ?? 'outside'} ${leases}`);
  };
  const work: Runnable = { group: { variant, reference: 'models:/m/2', rows: [1, 3] }, model, experiment };
  const result = await runOrFallBack({ served, leftMs: () => leftMs, run }, work).then(
    ({ part, work: { group } }) => [group.variant, part],
    (failure: Refusal) => failure.code,
  );
  return { result, asks, loads, leases };
}

describe('a request that the candidate fails', () => {
  test.each<RefusalCode>(['MR_INFERENCE_FAILED', 'MR_INFERENCE_BUSY', 'MR_INFERENCE_CRASHED', 'MR_INFERENCE_UNSERVABLE'])(
    '%s: the primary answers the same rows, outside of the rollout',
    async (code) => {
      expect(await asked(code, {})).toEqual({
        result: ['primary', 'models:/m/1 1,3 outside 1'],
        ...{ asks: ['candidate', 'primary'], loads: [], leases: 0 },
      });
    },
  );

  test('a primary that had to make room is loaded in the time that is left', async () => {
    expect(await asked('MR_INFERENCE_FAILED', { isLoaded: false })).toMatchObject({ asks: ['candidate', 'primary'], loads: [100] });
  });

  test.each<[string, RefusalCode, Parameters<typeof asked>[1]]>([
    ['a wrong request', 'MR_INFERENCE_INVALID', {}],
    ['a deadline', 'MR_INFERENCE_DEADLINE', {}],
    ['a client that left', 'MR_INFERENCE_CANCELLED', {}],
    ['no time', 'MR_INFERENCE_FAILED', { leftMs: 0 }],
    ['a rollout that says so', 'MR_INFERENCE_FAILED', { experiment: { ...SPLIT, fallsBack: false } }],
    ['the primary', 'MR_INFERENCE_FAILED', { variant: 'primary' }],
  ])('%s is not tried again', async (_what, code, change) => {
    const { result, asks } = await asked(code, change);
    expect([result, asks.length]).toEqual([code, 1]);
  });
});
