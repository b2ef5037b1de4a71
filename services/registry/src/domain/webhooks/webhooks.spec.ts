import { describe, expect, test } from '@jest/globals';
import { isRetried, pauseAfter } from './deliveries.js';
import { exampleOf } from './example-notification.js';
import { MLFLOW_NOTIFICATIONS, notificationOf, OWN_NOTIFICATIONS, type NotificationName, type NotifiedModel } from './notification.js';
import { MOST_WEBHOOKS, webhooks, WEBHOOKS, type Webhooks, type WebhooksCommand } from './webhooks.decider.js';
import type { WebhookCreated, WebhooksEvent } from './webhooks.events.js';

const context = { subject: WEBHOOKS, commandId: 'c', time: 9, actor: 'a' };
const created = (webhookId: string): { type: 'WebhookCreated'; data: WebhookCreated } => ({
  type: 'WebhookCreated',
  data: { webhookId, name: 'n', url: 'http://a/', events: ['run.created'], description: null, active: true, sealedSecret: null },
});

function given(...events: WebhooksEvent[]): { when: (command: WebhooksCommand) => ReturnType<typeof webhooks.decide> } {
  const state = events.reduce<Webhooks>(
    (folded, event, index) => webhooks.evolve(folded, event, { ...context, sequence: index + 1 }),
    webhooks.initial(),
  );
  return { when: (command) => webhooks.decide(command, state, context) };
}

describe('the catalog of webhooks', () => {
  const update = { name: null, url: null, events: null, description: null, active: null, sealedSecret: null };

  test('a webhook is created once, changed when there is a change, and deleted', () => {
    expect(given().when({ type: 'CreateWebhook', ...created('1').data })).toEqual({ kind: 'accept', event: created('1') });
    expect(given(created('1')).when({ type: 'CreateWebhook', ...created('1').data })).toEqual({ kind: 'unchanged' });
    expect(given(created('1')).when({ type: 'UpdateWebhook', webhookId: '1', ...update })).toEqual({ kind: 'unchanged' });
    expect(given(created('1')).when({ type: 'UpdateWebhook', webhookId: '1', ...update, active: false })).toMatchObject({ kind: 'accept' });
    expect(given(created('1')).when({ type: 'DeleteWebhook', webhookId: '1' })).toMatchObject({ kind: 'accept' });
    for (const command of [
      { type: 'DeleteWebhook', webhookId: '2' },
      { type: 'UpdateWebhook', webhookId: '2', ...update },
    ] as const) {
      expect(given(created('1')).when(command)).toMatchObject({ rejection: { code: 'MR_REGISTRY_WEBHOOK_NOT_FOUND' } });
    }
  });

  test('there are only so many', () => {
    const full = given(...Array.from({ length: MOST_WEBHOOKS }, (_, index) => created(String(index))));
    expect(full.when({ type: 'CreateWebhook', ...created('x').data })).toMatchObject({ rejection: { code: 'MR_REGISTRY_WEBHOOKS_FULL' } });
  });
});

describe('what decisions are to people outside', () => {
  const model = (isPrompt: boolean) => (): NotifiedModel => ({ name: 'm', isPrompt });
  const version = { version: 2, name: 'm', source: 's', runId: null, description: null, tags: { a: 'b' } };
  const promptTags = { 'mlflow.prompt.is_prompt': 'true', 'mlflow.prompt.text': 'Hi {{x}}', _mlflow_prompt_type: 'text', tone: 'kind' };
  const cases: [string, string, object, boolean, string, object][] = [
    ['ModelRegistered', 'models/catalog', { name: 'm', tags: {}, description: 'd' }, false, 'registered_model.created', { name: 'm', tags: {}, description: 'd' }],
    ['ModelRegistered', 'models/catalog', { name: 'm', tags: promptTags, description: null }, true, 'prompt.created', { name: 'm', tags: { tone: 'kind' }, description: null }],
    ['ModelDeleted', 'models/catalog', { name: 'm' }, false, 'registered_model.deleted', { name: 'm' }],
    ['ModelTagged', 'models/catalog', { modelId: '1', key: 'k', value: 'v' }, true, 'prompt_tag.set', { name: 'm', key: 'k', value: 'v' }],
    ['ModelUntagged', 'models/catalog', { modelId: '1', key: 'k' }, true, 'prompt_tag.deleted', { name: 'm', key: 'k' }],
    ['VersionRegistered', 'model/1', version, false, 'model_version.created', { name: 'm', version: '2', source: 's', run_id: null, tags: { a: 'b' }, description: null }],
    ['VersionRegistered', 'model/1', { ...version, tags: promptTags }, true, 'prompt_version.created', { name: 'm', version: '2', template: 'Hi {{x}}', tags: { tone: 'kind' }, description: null }],
    ['VersionTagged', 'model/1', { version: 2, key: 'k', value: 'v' }, false, 'model_version_tag.set', { name: 'm', version: '2', key: 'k', value: 'v' }],
    ['VersionTagged', 'model/1', { version: 2, key: 'k', value: 'v' }, true, 'prompt_version_tag.set', { name: 'm', version: '2', key: 'k', value: 'v' }],
    ['VersionUntagged', 'model/1', { version: 2, key: 'k' }, false, 'model_version_tag.deleted', { name: 'm', version: '2', key: 'k' }],
    ['VersionUntagged', 'model/1', { version: 2, key: 'k' }, true, 'prompt_version_tag.deleted', { name: 'm', version: '2', key: 'k' }],
    ['AliasAssigned', 'model/1', { alias: 'a', version: 2, previous: null }, false, 'model_version_alias.created', { name: 'm', version: '2', alias: 'a' }],
    ['AliasAssigned', 'model/1', { alias: 'a', version: 2, previous: null }, true, 'prompt_alias.created', { name: 'm', version: '2', alias: 'a' }],
    ['AliasRemoved', 'model/1', { alias: 'a', version: 2 }, false, 'model_version_alias.deleted', { name: 'm', alias: 'a' }],
    ['AliasRemoved', 'model/1', { alias: 'a', version: 2 }, true, 'prompt_alias.deleted', { name: 'm', alias: 'a' }],
    ['VersionMoved', 'model/1', { version: 2, from: 'None', to: 'Production', archived: [1] }, false, 'model_version_stage.updated', { name: 'm', version: '2', from_stage: 'None', to_stage: 'Production', archived_versions: ['1'] }],
    ['VersionDeleted', 'model/1', { version: 2, aliases: [] }, false, 'model_version.deleted', { name: 'm', version: '2' }],
    ['RunCreated', 'run/r', { experimentId: '1', name: 'n', tags: {} }, false, 'run.created', { run_id: 'r', experiment_id: '1', run_name: 'n', tags: {} }],
    ['RunFinished', 'run/r', { status: 'FAILED', endTime: 7, name: null }, false, 'run.finished', { run_id: 'r', status: 'FAILED', end_time: 7 }],
    ['RunDeleted', 'run/r', {}, false, 'run.deleted', { run_id: 'r' }],
  ]; // prettier-ignore

  test.each(cases)('%s of %s %j (a prompt: %s) is %s', (type, subject, data, isPrompt, name, told) => {
    expect(notificationOf({ type, subject, data }, model(isPrompt))).toEqual({ name, data: told });
  });

  test.each(cases)('%s of %s %j (a prompt: %s): a test of %s sends its fields', (...[, , , , name, told]) => {
    expect(Object.keys(exampleOf(name as NotificationName)).sort()).toEqual(Object.keys(told).sort());
  });

  test('every notification there is comes of one of them', () => {
    const told = new Set(cases.map(([, , , , name]) => name));
    expect([...MLFLOW_NOTIFICATIONS, ...OWN_NOTIFICATIONS].filter((name) => !told.has(name))).toEqual([]);
  });

  test('the rest is nothing to them', () => {
    for (const [type, subject] of [
      ['ModelTagged', 'models/catalog'],
      ['ModelDescribed', 'models/catalog'],
      ['VersionDescribed', 'model/1'],
      ['RunAnnotated', 'run/r'],
      ['WebhookCreated', 'webhooks/catalog'],
    ] as const) {
      expect(notificationOf({ type, subject, data: { modelId: '1', key: 'k' } }, model(false))).toBeUndefined();
    }
    expect(notificationOf({ type: 'VersionTagged', subject: 'model/gone', data: {} }, () => undefined)).toBeUndefined();
  });
});

describe('trying again', () => {
  test('pauses double, up to an hour, and end', () => {
    const policy = { attempts: 20, firstPauseMs: 1000 };
    expect([1, 2, 3, 12, 13, 19].map((attempt) => pauseAfter(attempt, policy))).toEqual([
      1000, 2000, 4000, 2_048_000, 3_600_000, 3_600_000,
    ]);
    expect(pauseAfter(20, policy)).toBeUndefined();
  });

  test('is for every answer but that the receiver is gone', () => {
    expect([301, 400, 401, 404, 408, 425, 429, 500, 503].every(isRetried)).toBe(true);
    expect(isRetried(410)).toBe(false);
  });
});
