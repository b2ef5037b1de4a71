import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { applyDocuments } from './apply-documents.js';
import { serviceResources, viewResources } from './feature-references.js';
import { context, METADATA } from './testing/one-replica.js';

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

const ORIGIN = FLIGHTS.split('---')[2] ?? '';

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

test('a mistake of a feature is told where it stands', async () => {
  const problems = async (features: string, more = ''): Promise<unknown> => {
    const text = FLIGHTS.replace('features: [{name: departures_1h, aggregate: count, window: 1h}]', `${more}features: [${features}]`);
    const result = await applyDocuments(text, METADATA, context());
    return result.ok || result.problems.map(({ document, field, message }) => `${document} ${field}: ${message}`);
  };
  const count = '{name: n, aggregate: count, window: 1h}';
  const told = async (wrong: string): Promise<unknown> => problems(`${count}, ${wrong}`);
  expect(await told('{name: q, aggregate: quantile, column: delay, window: 1h}')).toEqual([
    '1 spec.features[1].quantile: feature q (quantile) needs quantile, a number from 0 to 1 such as 0.95',
  ]);
  expect(await told('{name: q, aggregate: top_k, column: delay, window: 1h}')).toEqual([
    '1 spec.features[1].k: feature q (top_k) needs k, a whole number from 1 to 100',
  ]);
  expect(await told('{name: q, aggregate: count, window: 1h, gap: 5m}')).toEqual([
    '1 spec.features[1].gap: feature q (count) has a gap; only windows of kind session have one',
  ]);
  expect(await told('{name: q, expression: m + 1}')).toEqual([
    '1 spec.features[1].expression: expression of q: there is no feature m; did you mean n?, at character 1: ▸m + 1',
  ]);
  expect(await told('{name: origin, aggregate: last, column: delay}')).toEqual([
    '1 spec.features[1].name: origin is the name of two features, or of a feature and a join key',
  ]);
  expect(await problems('{name: n, aggregate: count, windowKind: lifetime}', 'span: 1h, ')).toEqual([
    '1 spec.span: span must be 1d or longer beside a lifetime, as every chunk is kept',
  ]);
});

test('what rests on a document with a mistake is not blamed for it', async () => {
  const house = context();
  // Stands for the schemas: nothing is an Int.
  const checkShape = (kind: string, spec: unknown): { field: string; message: string }[] =>
    JSON.stringify(spec).includes('"Int"') ? [{ field: `spec of ${kind}`, message: '"Int" is no type' }] : [];
  const problems = async (text: string): Promise<unknown> => {
    const result = await applyDocuments(text, METADATA, { ...house, checkShape });
    return result.ok || result.problems.map(({ document, field }) => `${document} ${field}`);
  };
  expect(await problems(FLIGHTS.replace('eventTime: departed', 'eventTime: left'))).toEqual(['2 spec.eventTime']);
  expect(await problems(FLIGHTS.replace('joinKeys: {origin: String}', 'joinKeys: {origin: Int}'))).toEqual(['3 spec of Entity']);
  expect(await problems(FLIGHTS)).toBe(true);
  // What it was before says nothing of what it is to be.
  const changed = FLIGHTS.replace('delay: Int32}', 'delay: Int, cause: String}').replace(
    'aggregate: count,',
    'aggregate: count, column: cause,',
  );
  expect(await problems(changed)).toEqual(['2 spec of Source']);
});

test('a field that metadata does not have is named; how a resource stood when it was read is no part of it', async () => {
  const house = context();
  const misspelt = ORIGIN.replace('{name: origin}', '{name: origin, lables: {team: a}, descripton: hi}');
  const refused = await applyDocuments(misspelt, METADATA, house);
  expect(!refused.ok && refused.problems.map(({ field, message }) => `${field} ${message}`)).toEqual([
    'metadata.lables is not a field of metadata; fields are name, labels, description',
    'metadata.descripton is not a field of metadata; fields are name, labels, description',
  ]);
  const read = { ...(parse(ORIGIN) as object), status: { version: 3, hash: 'x' } };
  expect(await applyDocuments(JSON.stringify([read]), METADATA, house)).toMatchObject({ documents: [{ outcome: 'created', version: 1 }] });
  expect(await applyDocuments(ORIGIN, METADATA, house)).toMatchObject({ documents: [{ outcome: 'unchanged', version: 1 }] });
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
  // A dry run says the version that it will be.
  const foretold = async (text: string): Promise<unknown> => {
    const result = await applyDocuments(text, METADATA, house, true);
    return result.ok && result.documents.map(({ name, outcome, version }) => `${name} ${outcome} ${version}`)[0];
  };
  expect(await foretold(FLIGHTS)).toBe('flights created 1');
  const changed = FLIGHTS.replace('delay: Int32', 'delay: Int64');
  expect(await foretold(changed)).toBe('flights created 2');
  await applyDocuments(changed, { ...METADATA, commandId: 'c6' }, house);
  expect(house.catalog.get('Source', 'flights')?.version).toBe(2);
});

const SERVICE = `
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: delay_model}
spec: {features: [origin_delays]}
`;

test('a view that gives other values makes a new version of the services that name it, and each version keeps its own', async () => {
  const house = context();
  await applyDocuments(`${FLIGHTS}---${SERVICE}`, METADATA, house);
  const changed = await applyDocuments(FLIGHTS.replace('window: 1h', 'window: 2h'), { ...METADATA, commandId: 'c2' }, house);
  expect(changed.ok && changed.documents.map(({ kind, outcome, version }) => [kind, outcome, version])).toEqual([
    ['Source', 'unchanged', 1],
    ['Entity', 'unchanged', 1],
    ['FeatureView', 'configured', 2],
    ['FeatureService', 'configured', 2],
  ]);
  const of = (reference: string) => serviceResources(house.catalog, reference)?.features;
  expect([of('delay_model'), of('delay_model@1'), of('delay_model@2')]).toEqual([
    ['origin_delays'],
    ['origin_delays@1'],
    ['origin_delays@2'],
  ]);
  expect(viewResources(house.catalog, 'origin_delays@1')?.view).toMatchObject({ name: 'origin_delays@1', features: [{ window: '1h' }] });
  const again = await applyDocuments(SERVICE, { ...METADATA, commandId: 'c3' }, house);
  expect(again.ok && again.documents[0]).toMatchObject({ outcome: 'unchanged', version: 2 });
});

test('a service that names versions stays as it is; one that is not there is refused', async () => {
  const house = context();
  await applyDocuments(`${FLIGHTS}---${SERVICE.replace('origin_delays', '"origin_delays"')}`, METADATA, house);
  const pinned = SERVICE.replace('delay_model', 'pinned').replace('[origin_delays]', '["origin_delays@1:departures_1h"]');
  await applyDocuments(pinned, { ...METADATA, commandId: 'c2' }, house);
  await applyDocuments(FLIGHTS.replace('window: 1h', 'window: 2h'), { ...METADATA, commandId: 'c3' }, house);
  expect(house.catalog.get('FeatureService', 'pinned')).toMatchObject({ version: 1 });
  const missing = await applyDocuments(pinned.replace('@1', '@7'), { ...METADATA, commandId: 'c4' }, house);
  expect(!missing.ok && missing.problems.map(({ field, message }) => `${field}: ${message}`)).toEqual([
    expect.stringMatching(/^spec.features\[0\]: FeatureView origin_delays has no version 7/),
  ]);
});

test('owner, tags and what is said of a feature make no new version; a source that means something else does', async () => {
  const house = context();
  await applyDocuments(`${FLIGHTS}---${SERVICE}`, METADATA, house);
  const described = FLIGHTS.replace('window: 1h}', 'window: 1h, description: how many left, pii: true}').replace(
    'spec: {entity: origin,',
    'spec: {owner: ops, tags: {tier: gold}, entity: origin,',
  );
  const said = await applyDocuments(described, { ...METADATA, commandId: 'c2' }, house);
  expect(said.ok && said.documents.map(({ outcome, version }) => [outcome, version])).toEqual([
    ['unchanged', 1],
    ['unchanged', 1],
    ['configured', 1],
  ]);
  expect(house.catalog.get('FeatureView', 'origin_delays')?.spec).toMatchObject({ owner: 'ops', features: [{ pii: true }] });
  // A column more is no other source.
  const wider = await applyDocuments(
    described.replace('delay: Int32', 'delay: Int32, gate: String'),
    { ...METADATA, commandId: 'c3' },
    house,
  );
  expect(wider.ok && wider.documents.map(({ version }) => version)).toEqual([2, 1, 1]);
  const other = described
    .replace('delay: Int32', 'delay: Int32, landed: DateTime64(3)')
    .replace('eventTime: departed', 'eventTime: landed');
  const foreseen = await applyDocuments(other, { ...METADATA, commandId: 'c4' }, house, true);
  const result = await applyDocuments(other, { ...METADATA, commandId: 'c5' }, house);
  expect(result.ok && result.documents.map(({ kind, version }) => [kind, version])).toEqual([
    ['Source', 3],
    ['Entity', 1],
    ['FeatureView', 2],
    ['FeatureService', 2],
  ]);
  expect(foreseen.ok && foreseen.documents.map(({ version }) => version)).toEqual([3, 1, 2, 2]);
  expect(viewResources(house.catalog, 'origin_delays@1')?.source).toMatchObject({ eventTime: 'departed' });
});
