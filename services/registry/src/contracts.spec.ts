import { checkEvent, type registry } from '@millrace/contracts';
import { type Same, aggregatesWithHistory, eventTypes, goldenSamples, historyOf } from '@millrace/contracts/testing';
import { canonical } from '@millrace/kernel';
import { foldHistory } from '@millrace/kernel/testing';
import { describe, expect, test } from '@jest/globals';
import type * as governanceEvents from './domain/governance/governance.events.js';
import { governedModel } from './domain/governance/governed-model.decider.js';
import { model, type Model } from './domain/model/model.decider.js';
import type * as modelEvents from './domain/model/model.events.js';
import { models, MODELS, type Models } from './domain/models/models.decider.js';
import type * as modelsEvents from './domain/models/models.events.js';
import type { WebhookDeliveryAttempted, WebhookDeliveryQueued } from './domain/webhooks/deliveries.js';
import { webhooks, WEBHOOKS, type Webhooks } from './domain/webhooks/webhooks.decider.js';
import type * as webhookEvents from './domain/webhooks/webhooks.events.js';

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<registry.ModelRegistered, modelsEvents.ModelRegistered>,
  true satisfies Same<registry.ModelRenamed, modelsEvents.ModelRenamed>,
  true satisfies Same<registry.ModelDescribed, modelsEvents.ModelDescribed>,
  true satisfies Same<registry.ModelTagged, modelsEvents.ModelTagged>,
  true satisfies Same<registry.ModelUntagged, modelsEvents.ModelUntagged>,
  true satisfies Same<registry.ModelDeleted, modelsEvents.ModelDeleted>,
  true satisfies Same<registry.VersionRegistered, modelEvents.VersionRegistered>,
  true satisfies Same<registry.VersionSigned, modelEvents.VersionSigned>,
  true satisfies Same<registry.VersionDescribed, modelEvents.VersionDescribed>,
  true satisfies Same<registry.VersionTagged, modelEvents.VersionTagged>,
  true satisfies Same<registry.VersionUntagged, modelEvents.VersionUntagged>,
  true satisfies Same<registry.VersionMoved, modelEvents.VersionMoved>,
  true satisfies Same<registry.VersionDeleted, modelEvents.VersionDeleted>,
  true satisfies Same<registry.AliasAssigned, modelEvents.AliasAssigned>,
  true satisfies Same<registry.AliasRemoved, modelEvents.AliasRemoved>,
  true satisfies Same<registry.VersionChecked, governanceEvents.VersionChecked>,
  true satisfies Same<registry.PromotionRequested, governanceEvents.PromotionRequested>,
  true satisfies Same<registry.PromotionApproved, governanceEvents.PromotionApproved>,
  true satisfies Same<registry.PromotionRejected, governanceEvents.PromotionRejected>,
  true satisfies Same<registry.PromotionWithdrawn, governanceEvents.PromotionWithdrawn>,
  true satisfies Same<registry.PromotionExpired, governanceEvents.PromotionExpired>,
  true satisfies Same<registry.WebhookCreated, webhookEvents.WebhookCreated>,
  true satisfies Same<registry.WebhookUpdated, webhookEvents.WebhookUpdated>,
  true satisfies Same<registry.WebhookDeleted, webhookEvents.WebhookDeleted>,
  true satisfies Same<registry.WebhookDeliveryQueued, WebhookDeliveryQueued>,
  true satisfies Same<registry.WebhookDeliveryAttempted, WebhookDeliveryAttempted>,
];

/** Events nobody decides. */
const FACTS = ['WebhookDeliveryQueued', 'WebhookDeliveryAttempted'];

const samples = goldenSamples('registry');
const history = (aggregate: string): never[] => historyOf('registry', aggregate) as never[];

describe('the registry events and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type.v$version $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('registry', type, version, data)).toBeUndefined();
    const context = { subject: 'model/m', sequence: 1, time: 1, actor: 'a' };
    // Facts are not folded; that they keep to their schema is all there is to hold.
    if (FACTS.includes(type)) return;
    const event = { type, data } as never;
    const fold = type.startsWith('Model')
      ? (): Models => models.evolve(models.initial(), event, { ...context, subject: MODELS })
      : type.startsWith('Webhook')
        ? (): Webhooks => webhooks.evolve(webhooks.initial(), event, { ...context, subject: WEBHOOKS })
        : (): Model => governedModel.evolve(governedModel.initial(), event, context);
    expect(canonical(fold())).toBe(canonical(fold()));
  });

  test('every event has a sample', () => {
    expect([...new Set(samples.map(({ type }) => type))].sort()).toEqual(eventTypes('registry'));
  });
});

describe('old histories fold to what they always did', () => {
  test('models', () => {
    const { state, digests } = foldHistory(models, MODELS, history('models'));
    expect(state).toEqual({
      byId: new Map([
        [
          '00112233445566778899aabbccddeeff',
          {
            modelId: '00112233445566778899aabbccddeeff',
            name: 'delay-15',
            description: '',
            createdAt: 1,
            updatedAt: 7,
            tags: new Map([['task', '']]),
          },
        ],
        [
          '0123456789abcdef0123456789abcdef',
          {
            modelId: '0123456789abcdef0123456789abcdef',
            name: 'scratch',
            description: null,
            createdAt: 9,
            updatedAt: 9,
            tags: new Map(),
          },
        ],
      ]),
      idOfName: new Map([
        ['delay-15', '00112233445566778899aabbccddeeff'],
        ['scratch', '0123456789abcdef0123456789abcdef'],
      ]),
    });
    expect(digests).toEqual([
      'b1692f271935',
      '78ae2882b282',
      'caf8bc3bbce0',
      '5da5d44dde0e',
      '5c398d2ec417',
      '188ea63e83cf',
      'cfb0038525a7',
      'be22f9549a55',
      'f398464e1e2a',
    ]);
  });

  test('model', () => {
    const { state, digests } = foldHistory(model, 'model/00112233445566778899aabbccddeeff', history('model'));
    expect(state).toEqual({
      lastVersion: 4,
      updatedAt: 17,
      versions: new Map([
        [
          1,
          {
            version: 1,
            source: 'runs:/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/model',
            artifactPath: '0/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/artifacts/model',
            digest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
            runId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
            runLink: null,
            description: 'first',
            stage: 'Archived',
            createdAt: 1,
            updatedAt: 9,
            actor: 'ann',
            tags: new Map(),
          },
        ],
        [
          2,
          {
            version: 2,
            source: 's3://elsewhere/model',
            artifactPath: null,
            digest: null,
            runId: null,
            runLink: 'https://ci.example/17',
            signature: { keyId: 'd4'.repeat(32), manifestPath: `manifests/${'b2'.repeat(32)}.json`, manifestDigest: 'b2'.repeat(32) },
            description: 'retrained',
            stage: 'Production',
            createdAt: 5,
            updatedAt: 9,
            actor: 'ann',
            tags: new Map([
              ['by', 'ci'],
              ['validated', 'true'],
            ]),
          },
        ],
        [
          4,
          {
            version: 4,
            source: 'runs:/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/model',
            artifactPath: '0/4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f/artifacts/model',
            digest: 'c3'.repeat(32),
            runId: '4f1c2d3e5a6b7c8d9e0f1a2b3c4d5e6f',
            runLink: null,
            description: null,
            signature: { keyId: 'a1'.repeat(32), manifestPath: `manifests/${'b2'.repeat(32)}.json`, manifestDigest: 'b2'.repeat(32) },
            stage: 'None',
            createdAt: 17,
            updatedAt: 17,
            actor: 'ann',
            tags: new Map(),
          },
        ],
      ]),
      aliases: new Map([
        ['champion', 2],
        ['challenger', 1],
      ]),
    });
    expect(digests).toEqual([
      'bf5981b04cbb',
      '1734723f8cde',
      '885da354f1dd',
      'edac71054c03',
      'b7dc64595d4b',
      '2a89c4602a4b',
      '30e45faebf94',
      '2a89c4602a4b',
      '81dd1671333e',
      'caedd42eb6dd',
      '07e71c4a5327',
      '576ad7e97a78',
      '07e71c4a5327',
      '0cfdae8200bc',
      '44c2e24b0b2c',
      '10158ea1e96e',
      '0810d4059dbc',
      '6f630db9eac6',
    ]);
  });

  test('governed model', () => {
    const { state, digests } = foldHistory(governedModel, 'model/00112233445566778899aabbccddeeff', history('governed-model'));
    const { promotions, checks, ...rest } = state.governance;
    expect(rest).toEqual({
      lastRequest: 5,
      holders: new Map([
        ['alias:champion', [1]],
        ['stage:Production', [1]],
      ]),
      lastMoved: 'stage:Production',
    });
    expect(state.aliases).toEqual(new Map([['champion', 1]]));
    expect([...state.versions.values()].map(({ stage }) => stage)).toEqual(['Production', 'None', 'Archived']);
    expect([...promotions.values()].map(({ status, version, closedAt }) => [status, version, closedAt])).toEqual([
      ['rejected', 2, 8],
      ['promoted', 3, 13],
      ['expired', 2, 15],
      ['promoted', 3, 17],
      ['withdrawn', 2, 19],
    ]);
    expect(promotions.get(2)).toEqual({
      request: 2,
      version: 3,
      target: { kind: 'alias', name: 'champion' },
      archiveOthers: false,
      reason: 'mended',
      policies: [{ name: 'production', version: 1 }],
      expiresAt: 1000,
      status: 'promoted',
      requestedBy: 'ann',
      requestedAt: 11,
      approvals: new Map([['ann', { at: 12, comment: 'looks right' }]]),
      closedBy: 'ann',
      closedAt: 13,
      closingReason: 'mended',
    });
    const results = [...checks].flatMap(([version, byName]) =>
      [...byName.values()].map(({ check, passed, at }) => [version, check, passed, at]),
    );
    expect(results).toEqual([
      [2, 'validation', false, 6],
      [2, 'licence', true, 22],
      [2, 'licence', false, 23],
      [3, 'validation', true, 9],
      [3, 'brier', true, 10],
    ]);
    expect(digests).toEqual([
      '642f87f06d1d',
      'f5f6426dccb2',
      '7fdf7e191248',
      '31c0d0a20e14',
      '6650e26dc29b',
      'b9f55974b6af',
      'b389dffd5dbe',
      '1cbc88a3db4f',
      '88a9696b2615',
      'ee2903fb7ab9',
      '3f792ab7cb1d',
      'c90234aa7549',
      'dab75d39ca97',
      '61d1658866cd',
      'edb2f2e596be',
      '66ed6d4b6c22',
      'eeef0bb569be',
      'c7990dbdedf3',
      '647186a1deda',
      'ea249d4c3b9f',
      '32f8b3adfcbf',
      '001500cde4ee',
      '266dcabd4cbd',
    ]);
  });

  test('webhooks', () => {
    const { state, digests } = foldHistory(webhooks, WEBHOOKS, history('webhooks'));
    expect(state).toEqual({
      byId: new Map([
        [
          '0123456789abcdef0123456789abcdef',
          {
            webhookId: '0123456789abcdef0123456789abcdef',
            name: 'deploy',
            url: 'https://ci.example/hook',
            events: ['run.created'],
            description: '',
            active: false,
            sealedSecret: 'v1.AAAA.BBBB.CCCC',
            createdAt: 1,
            updatedAt: 3,
          },
        ],
      ]),
    });
    expect(digests).toEqual(['4713b0c2a05b', '407bd86f8de6', '9e61fad4f6f6', '9c57ee44ac62']);
  });

  test('every decision is in one of them, and every one of them is folded here', () => {
    const folded = ['governed-model', 'model', 'models', 'webhooks'];
    expect(aggregatesWithHistory('registry')).toEqual(folded);
    const told = folded.flatMap((aggregate) => history(aggregate)).map(({ type }: { type: string }) => type);
    const decisions = samples.map(({ type }) => type).filter((type) => !FACTS.includes(type));
    expect([...new Set(told)].sort()).toEqual([...new Set(decisions)].sort());
  });
});
