import { expect, test } from '@jest/globals';
import { Fault } from '@millrace/kernel';
import type { EntityRows } from './entity-rows.js';
import type { FeatureReader } from './feature-vectors.js';
import { readFeatures } from './read-features.js';

const ROWS = { entities: [{ city: 'Bern' }], requests: [{}], at: 0 } as unknown as EntityRows;

/** A reader of a store that fails so; keeps what time it was given. */
function failing(code: string, given: (number | undefined)[] = []): FeatureReader {
  return {
    shapeOf: () => undefined,
    read: (_service, _entities, _requests, _at, withinMs) => {
      given.push(withinMs);
      return Promise.reject(new Fault(code, 'it is away', true));
    },
  };
}

test('a read has the time that is left to the request, and a request whose time is over says so', async () => {
  const given: (number | undefined)[] = [];
  const late = readFeatures(failing('MR_DEADLINE_EXCEEDED', given), 'fares', ROWS, 40);
  await expect(late).rejects.toMatchObject({ name: 'Refusal', code: 'MR_INFERENCE_DEADLINE' });
  await expect(late).rejects.toThrow('the deadline passed while the features were read: it is away');
  expect(given).toEqual([40]);
});

test('a store that is away is a refusal that may be asked again', async () => {
  const away = readFeatures(failing('MR_ONLINE_STORE'), 'fares', ROWS, 40);
  await expect(away).rejects.toMatchObject({ name: 'Refusal', code: 'MR_INFERENCE_FEATURES' });
});
