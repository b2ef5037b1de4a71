import { describe, expect, test } from '@jest/globals';
import { GATEWAY, gateway, MOST, type GatewayCommand } from './gateway.decider.js';
import type { GatewayEvent, GatewayModelMapping } from './gateway.events.js';

const context = { subject: GATEWAY, commandId: 'c', time: 9, actor: 'ann' };

function given(...events: GatewayEvent[]) {
  const state = events.reduce(
    (folded, event, index) => gateway.evolve(folded, event, { ...context, time: index, sequence: index + 1 }),
    gateway.initial(),
  );
  return { state, when: (command: GatewayCommand) => gateway.decide(command, state, context) };
}

const secret = (id: string): GatewayEvent => ({
  type: 'GatewaySecretCreated',
  data: {
    secretId: `s-${id}`,
    name: id,
    provider: 'openai',
    authConfig: {},
    sealedValues: 'v1.a',
    maskedValues: { api_key: '***' },
    by: 'ann',
  },
});
const definition = (id: string, of = 'a'): GatewayEvent => ({
  type: 'GatewayModelDefinitionCreated',
  data: { modelDefinitionId: `d-${id}`, name: id, secretId: `s-${of}`, provider: 'openai', modelName: 'm', by: 'ann' },
});
const model = (id: string, linkage: 'PRIMARY' | 'FALLBACK' = 'PRIMARY'): GatewayModelMapping => ({
  ...{ mappingId: `m-${id}-${linkage}`, modelDefinitionId: `d-${id}`, linkage, weight: 1, fallbackOrder: null },
});
const settings = { routingStrategy: null, fallback: null, experimentId: null, by: 'ann' } as const;
const endpoint = (id: string, ...models: GatewayModelMapping[]): GatewayEvent => ({
  type: 'GatewayEndpointCreated',
  data: { ...settings, endpointId: `e-${id}`, name: id, models, usageTracking: true },
});
const same = { ...settings, name: null, models: null, usageTracking: null };
const binding = { endpointId: 'e-x', resourceType: 'scorer', resourceId: 'job' };
const rejection = (code: string) => ({ rejection: { code: `MR_TRACKING_GATEWAY_${code}` } });

describe('the gateway to language models', () => {
  const whole = () => given(secret('a'), definition('a'), definition('b'), endpoint('x', model('a')));

  test.each([
    ['secret', { ...(secret('a') as { data: object }).data, type: 'CreateGatewaySecret', secretId: 's-new' }],
    [
      'model definition',
      { ...(definition('a') as { data: object }).data, type: 'CreateGatewayModelDefinition', modelDefinitionId: 'd-new' },
    ],
    ['endpoint', { ...(endpoint('x', model('a')) as { data: object }).data, type: 'CreateGatewayEndpoint', endpointId: 'e-new' }],
  ])('a name is one %s', (_what, command) => {
    expect(whole().when(command as GatewayCommand)).toMatchObject(rejection('NAME_TAKEN'));
    expect(whole().when({ ...command, name: 'free' } as GatewayCommand)).toMatchObject({
      kind: 'accept',
      event: { data: { name: 'free' } },
    });
  });

  test('what is given a new name does not stand in its own way', () => {
    const rename = (name: string) => whole().when({ ...same, type: 'UpdateGatewayEndpoint', endpointId: 'e-x', name });
    expect(rename('x')).toMatchObject({ kind: 'accept' });
    const update = { modelDefinitionId: 'd-a', secretId: null, provider: null, modelName: null, by: null };
    expect(whole().when({ ...update, type: 'UpdateGatewayModelDefinition', name: 'b' })).toMatchObject(rejection('NAME_TAKEN'));
  });

  test.each<[string, GatewayCommand]>([
    ['secret', { type: 'DeleteGatewaySecret', secretId: 's-none' }],
    ['secret', { ...(definition('c', 'none').data as object), type: 'CreateGatewayModelDefinition' } as GatewayCommand],
    ['model definition', { type: 'DeleteGatewayModelDefinition', modelDefinitionId: 'd-none' }],
    ['model definition', { type: 'AttachGatewayModel', endpointId: 'e-x', model: model('none'), by: null }],
    ['endpoint', { type: 'DeleteGatewayEndpoint', endpointId: 'e-none' }],
    ['not attached', { type: 'DetachGatewayModel', endpointId: 'e-x', modelDefinitionId: 'd-b' }],
    ['not bound', { type: 'UnbindGatewayEndpoint', ...binding }],
  ])('what is not there is told: %s', (what, command) => {
    expect(whole().when(command)).toMatchObject({
      rejection: { code: 'MR_TRACKING_GATEWAY_NOT_FOUND', message: expect.stringContaining(what) },
    });
  });

  test('a model definition in use is not deleted', () => {
    expect(whole().when({ type: 'DeleteGatewayModelDefinition', modelDefinitionId: 'd-a' })).toMatchObject({
      rejection: { code: 'MR_TRACKING_GATEWAY_IN_USE', message: expect.stringContaining("'x'") },
    });
    expect(whole().when({ type: 'DeleteGatewayModelDefinition', modelDefinitionId: 'd-b' })).toMatchObject({ kind: 'accept' });
  });

  test('a deleted secret leaves its model definitions without one', () => {
    const { state } = given(secret('a'), definition('a'), { type: 'GatewaySecretDeleted', data: { secretId: 's-a' } });
    expect(state.definitions.get('d-a')?.secretId).toBeNull();
    expect(state.secrets.size).toBe(0);
  });

  test('an endpoint has a primary model, and no model twice in one part', () => {
    const create = (...models: GatewayModelMapping[]) =>
      whole().when({ ...settings, type: 'CreateGatewayEndpoint', endpointId: 'e-y', name: 'y', usageTracking: false, models });
    expect(create(model('a', 'FALLBACK'))).toMatchObject(rejection('NO_PRIMARY'));
    expect(create(model('a'), model('a'))).toMatchObject(rejection('ATTACHED'));
    expect(create(model('a'), model('a', 'FALLBACK'))).toMatchObject({ kind: 'accept' });
    expect(whole().when({ type: 'AttachGatewayModel', endpointId: 'e-x', model: model('a'), by: null })).toMatchObject(
      rejection('ATTACHED'),
    );
  });

  test('models come and go, and say who changed the endpoint when', () => {
    const attached: GatewayEvent = { type: 'GatewayModelAttached', data: { endpointId: 'e-x', model: model('b'), by: 'bob' } };
    const { state, when } = given(secret('a'), definition('a'), definition('b'), endpoint('x', model('a')), attached);
    expect(state.endpoints.get('e-x')).toMatchObject({ createdBy: 'ann', updatedBy: 'bob', createdAt: 3, updatedAt: 4 });
    expect(when({ type: 'DetachGatewayModel', endpointId: 'e-x', modelDefinitionId: 'd-b' })).toMatchObject({
      event: { type: 'GatewayModelDetached', data: { mappingId: 'm-b-PRIMARY' } },
    });
  });

  test('what nothing is said about stays as it was', () => {
    const renamed: GatewayEvent = { type: 'GatewayEndpointUpdated', data: { ...same, endpointId: 'e-x', name: 'z', by: null } };
    const { state } = given(secret('a'), definition('a'), endpoint('x', model('a')), renamed);
    expect(state.endpoints.get('e-x')).toMatchObject({
      name: 'z',
      usageTracking: true,
      updatedBy: 'ann',
      models: [{ modelDefinitionId: 'd-a' }],
    });
    const sealed = { secretId: 's-a', authConfig: null, sealedValues: 'v1.b', maskedValues: { k: '***' }, by: 'bob' };
    expect(given(secret('a'), { type: 'GatewaySecretUpdated', data: sealed }).state.secrets.get('s-a')).toMatchObject({
      ...{ name: 'a', provider: 'openai', sealedValues: 'v1.b', updatedBy: 'bob' },
    });
  });

  test('bindings and tags are there once', () => {
    const bound: GatewayEvent = { type: 'GatewayEndpointBound', data: { ...binding, by: null } };
    const tagged: GatewayEvent = { type: 'GatewayEndpointTagged', data: { endpointId: 'e-x', key: 'k', value: 'v' } };
    const { when } = given(secret('a'), definition('a'), endpoint('x', model('a')), bound, tagged);
    expect(when({ type: 'BindGatewayEndpoint', ...binding, by: null })).toMatchObject(rejection('ATTACHED'));
    expect(when({ type: 'TagGatewayEndpoint', endpointId: 'e-x', key: 'k', value: 'v' })).toEqual({ kind: 'unchanged' });
    expect(when({ type: 'TagGatewayEndpoint', endpointId: 'e-x', key: 'k', value: 'w' })).toMatchObject({ kind: 'accept' });
    expect(when({ type: 'UntagGatewayEndpoint', endpointId: 'e-x', key: 'none' })).toEqual({ kind: 'unchanged' });
  });

  test('there are not more than can be read at once', () => {
    const full = given(...Array.from({ length: MOST.secrets }, (_, index) => secret(String(index))));
    const { data } = secret('more');
    expect(full.when({ type: 'CreateGatewaySecret', ...data } as GatewayCommand)).toMatchObject(rejection('FULL'));
  });
});
