import { expect, test } from '@jest/globals';
import type { CommandMetadata, CommandOutcome } from '@millrace/kernel';
import { createHash } from 'node:crypto';
import { applyDocuments, type ApplyContext } from './apply-documents.js';
import { resource, type ResourceCommand, type ResourceState } from './domain/resource/resource.decider.js';
import { ResourceCatalog } from './resource-catalog.js';

const FLIGHTS = `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: origin_delays}
spec: {entity: origin, source: flights, features: [{name: departures_1h, aggregate: count, window: 1h}]}
---
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: flights, labels: {team: ops}}
spec: {topic: flights, eventTime: departed, schema: {departed: DateTime64(3), origin: String, delay: Int32}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: origin}
spec: {joinKeys: {origin: String}}
`;

const METADATA: CommandMetadata = { commandId: 'c1', actor: 'test', now: 0 };

/** A context whose commands are decided and folded at once, as one replica would. */
function context(): ApplyContext {
  const catalog = new ResourceCatalog();
  const states = new Map<string, ResourceState>();
  let offset = 0;
  return {
    catalog,
    checkShape: () => [],
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
    handle: async (subject, command: ResourceCommand, metadata): Promise<CommandOutcome> => {
      const state = states.get(subject) ?? resource.initial();
      const decision = resource.decide(command, state, { subject, commandId: metadata.commandId, time: 0, actor: 'test' });
      const position = { topic: 'millrace.resources.decisions', partition: 0, offset };
      if (decision.kind === 'reject') return { kind: 'rejected', rejection: decision.rejection };
      if (decision.kind === 'unchanged') return { kind: 'unchanged', sequence: offset, position };
      offset++;
      states.set(subject, resource.evolve(state, decision.event, { subject, sequence: offset, time: 0, actor: 'test' }));
      catalog.apply(decision.event);
      return { kind: 'accepted', event: decision.event, sequence: offset, position, repeated: false };
    },
  };
}

test('documents are applied in the order in which they refer to one another, whatever order they come in', async () => {
  const result = await applyDocuments(FLIGHTS, METADATA, context());
  expect(result.ok && result.documents.map(({ kind, outcome, version }) => [kind, outcome, version])).toEqual([
    ['Source', 'created', 1],
    ['Entity', 'created', 1],
    ['FeatureView', 'created', 1],
  ]);
});

test('the same text again changes nothing; a changed spec makes a new version, changed labels do not', async () => {
  const house = context();
  await applyDocuments(FLIGHTS, METADATA, house);
  const again = await applyDocuments(FLIGHTS, { ...METADATA, commandId: 'c2' }, house);
  expect(again.ok && again.documents.map(({ outcome }) => outcome)).toEqual(['unchanged', 'unchanged', 'unchanged']);
  const relabelled = await applyDocuments(FLIGHTS.replace('team: ops', 'team: data'), { ...METADATA, commandId: 'c3' }, house);
  expect(relabelled.ok && relabelled.documents[0]).toMatchObject({ outcome: 'configured', version: 1 });
  const widened = await applyDocuments(FLIGHTS.replace('window: 1h', 'window: 2h'), { ...METADATA, commandId: 'c4' }, house);
  expect(widened.ok && widened.documents[2]).toMatchObject({ kind: 'FeatureView', outcome: 'configured', version: 2 });
  expect(house.catalog.get('FeatureView', 'origin_delays', 1)?.spec.features[0]?.window).toBe('1h');
});

test('a dry run says what would happen and does nothing', async () => {
  const house = context();
  const result = await applyDocuments(FLIGHTS, METADATA, house, true);
  expect(result.ok && result.documents.map(({ outcome }) => outcome)).toEqual(['created', 'created', 'created']);
  expect(house.catalog.list('Source')).toEqual([]);
});

test('every problem is named with its document, field and mend, and nothing is applied', async () => {
  const house = context();
  const broken = FLIGHTS.replace('eventTime: departed', 'eventTime: left')
    .replace('aggregate: count, window: 1h', 'aggregate: mean, column: origin')
    .replace('entity: origin,', 'entity: airport,');
  const result = await applyDocuments(broken, METADATA, house);
  expect(result.ok).toBe(false);
  expect(!result.ok && result.problems.map(({ document, field }) => [document, field])).toEqual([
    [1, 'spec.entity'],
    [1, 'spec.features[0].window'],
    [1, 'spec.features[0].column'],
    [2, 'spec.eventTime'],
  ]);
  expect(house.catalog.list('Entity')).toEqual([]);
});

test.each([
  ['not YAML', 'kind: [', 'not valid YAML'],
  ['an unknown kind', 'apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: a}\nspec: {}', 'must be one of'],
  ['a foreign version', 'apiVersion: v2\nkind: Entity\nmetadata: {name: a}\nspec: {}', 'must be millrace.dev/v1'],
  ['a misspelt field', 'apiVersion: millrace.dev/v1\nkind: Entity\nmetadata: {name: a}\nspec: {}\nspce: {}', 'is not a field'],
  ['nothing at all', '', 'holds no document'],
  ['the same name twice', `${FLIGHTS}---\n${FLIGHTS}`, 'already'],
])('%s is refused with a sentence', async (_name, text, message) => {
  const result = await applyDocuments(text, METADATA, context());
  expect(!result.ok && result.problems.map((problem) => problem.message).join('\n')).toContain(message);
});

test('a text that would unfold into a large one is refused', async () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`),
  ].join('\n');
  const result = await applyDocuments(bomb, METADATA, context());
  expect(result.ok).toBe(false);
});

test('a deleted resource is gone, its versions stay, and a later apply counts on', async () => {
  const house = context();
  await applyDocuments(FLIGHTS, METADATA, house);
  await house.handle('resource/Source/flights', { type: 'DeleteResource' }, { ...METADATA, commandId: 'c5' });
  expect(house.catalog.get('Source', 'flights')).toBeUndefined();
  expect(house.catalog.get('Source', 'flights', 1)?.spec.topic).toBe('flights');
  await applyDocuments(FLIGHTS.replace('delay: Int32', 'delay: Int64'), { ...METADATA, commandId: 'c6' }, house);
  expect(house.catalog.get('Source', 'flights')?.version).toBe(2);
});
