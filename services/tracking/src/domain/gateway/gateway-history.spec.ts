import { historyOf } from '@millrace/contracts/testing';
import { foldHistory } from '@millrace/kernel/testing';
import { expect, test } from '@jest/globals';
import { GATEWAY, gateway } from './gateway.decider.js';

test('an old history of the gateway folds to what it always did', () => {
  const { state, digests } = foldHistory(gateway, GATEWAY, historyOf('tracking', 'gateway') as never[]);
  const [id, other] = ['4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f', '0123456789abcdef0123456789abcdef'];
  const fallback = { mappingId: `m-${other}`, modelDefinitionId: `d-${other}`, linkage: 'FALLBACK', weight: 0.5, fallbackOrder: 0 };
  const bound = { endpointId: `e-${id}`, resourceType: 'scorer', resourceId: 'job-2' };
  expect(state).toEqual({
    secrets: new Map([
      [
        `s-${other}`,
        {
          ...{ secretId: `s-${other}`, name: 'other', provider: null, authConfig: { region: 'eu' } },
          ...{ sealedValues: 'v1.c2VhbGVk.dGFn.Ym9keQ', maskedValues: {} },
          ...{ createdAt: 2, updatedAt: 4, createdBy: null, updatedBy: null },
        },
      ],
    ]),
    definitions: new Map([
      [
        `d-${id}`,
        {
          ...{ modelDefinitionId: `d-${id}`, name: 'smaller', secretId: null, provider: 'openai', modelName: 'gpt-4.1-nano' },
          ...{ createdAt: 5, updatedAt: 7, createdBy: 'ann', updatedBy: 'bob' },
        },
      ],
      [
        `d-${other}`,
        {
          ...{ modelDefinitionId: `d-${other}`, name: 'second', secretId: null, provider: 'groq', modelName: 'claude' },
          ...{ createdAt: 6, updatedAt: 8, createdBy: null, updatedBy: null },
        },
      ],
    ]),
    endpoints: new Map([
      [
        `e-${id}`,
        {
          ...{ endpointId: `e-${id}`, name: 'chat', routingStrategy: 'REQUEST_BASED_TRAFFIC_SPLIT' },
          models: [
            {
              ...{ mappingId: `m-${id}`, modelDefinitionId: `d-${id}`, linkage: 'PRIMARY', weight: 1, fallbackOrder: null },
              ...{ createdAt: 9, createdBy: 'ann' },
            },
            { ...fallback, createdAt: 18, createdBy: 'bob' },
          ],
          ...{ fallback: { strategy: 'SEQUENTIAL', maxAttempts: 2 }, experimentId: '1', usageTracking: true },
          tags: new Map([['größe', '']]),
          bindings: new Map([['scorer/job-2', { ...bound, createdAt: 15, updatedAt: 15, createdBy: null, updatedBy: null }]]),
          ...{ createdAt: 9, updatedAt: 20, createdBy: 'ann', updatedBy: 'bob' },
        },
      ],
    ]),
  });
  expect(digests).toEqual([
    '3b6741aa6e71',
    'f730dfa61778',
    'd2b5529c9604',
    '34c8d862abc0',
    'c377a81339d5',
    '2ab2f4835fe2',
    '3710a3c12d44',
    '957e75c14cfd',
    '00b1f695d990',
    'dd780a54c776',
    'a71254eb2ceb',
    'caec22896585',
    'a71254eb2ceb',
    'f70a5e463da2',
    '3dddec45899c',
    '8430f916cf7a',
    'd1f9f5c7c065',
    '113b568006eb',
    'e5679a1a73c0',
    '5e4e69785886',
    'd77b1ee1b039',
    'e3ea0176ae70',
    'd77b1ee1b039',
    'ffa8fdf65653',
  ]);
});
