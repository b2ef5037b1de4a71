import { expect, test } from '@jest/globals';
import { applyDocuments } from './apply-documents.js';
import { context, METADATA } from './testing/one-replica.js';

const SALES = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: sales}
spec: {topic: sales, key: shop, partitions: 4, eventTime: at, schema: {at: DateTime64(3), shop: String, amount: Int32, kind: String, spare: Int32}}
`;
const VIEWS = `
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: shop}
spec: {joinKeys: {shop: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: turnover}
spec: {entity: shop, source: sales, features: [{name: sum_1h, aggregate: sum, column: amount, window: 1h, filter: "kind = 'cash'"}]}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: turnover_checks}
spec: {inputs: [turnover], features: [{name: is_dear, expression: "sum_1h > 5"}]}
`;

async function house(text = SALES + VIEWS) {
  const found = context();
  const applied = await applyDocuments(text, METADATA, found);
  if (!applied.ok) throw new Error(JSON.stringify(applied.problems));
  const told = async (next: string): Promise<string> => {
    const result = await applyDocuments(next, { ...METADATA, commandId: next }, found);
    return result.ok ? 'applied' : result.problems.map(({ resource, field, message }) => `${resource} ${field} ${message}`).join('\n');
  };
  const drop = (): void => found.catalog.apply({ type: 'ResourceDeleted', data: { kind: 'Source', name: 'sales' } });
  return { told, drop, version: () => found.catalog.get('Source', 'sales')?.version };
}

test('a column that a view reads is neither taken away nor given another type, and nothing is applied', async () => {
  const { told, version } = await house();
  expect(await told(SALES.replace('amount: Int32, ', ''))).toMatch(
    /^Source\/sales spec FeatureView turnover is computed from it and could not be any more: spec.features\[0\].column amount is not a column/,
  );
  expect(await told(SALES.replace('kind: String, ', ''))).toContain('FeatureView turnover is computed from it and could not be any more');
  expect(await told(SALES.replace('amount: Int32', 'amount: Nullable(String)'))).toContain('sum needs a number');
  expect(await told(SALES.replace('amount: Int32', 'amount: Int64'))).toBe(
    'Source/sales spec.schema.amount cannot change from Int32 to Int64, as FeatureView turnover rests on it: its events have the one; ' +
      'add a column of another name, or give it another topic, or define another source',
  );
  expect(await told(SALES.replace('kind: String', 'kind: Bool'))).toContain('spec.schema.kind cannot change from String to Bool');
  expect(await told(SALES.replace('shop: String', 'shop: Int64'))).toContain('as its key, FeatureView turnover rest on it');
  expect(version()).toBe(1);
});

test('what no view reads may change, a column may be null from now on, and a view may be changed in the same request', async () => {
  const { told } = await house();
  expect(await told(SALES.replace('spare: Int32', 'spare: String'))).toBe('applied');
  expect(await told(SALES.replace('spare: Int32', 'more: String'))).toBe('applied');
  expect(await told(SALES.replace('amount: Int32', 'amount: Nullable(Int32)'))).toBe('applied');
  expect(await told((SALES + VIEWS).replace('amount: Int32, ', '').replace('column: amount', 'column: spare'))).toBe('applied');
});

test('an entity keeps the join keys that its views find in their source', async () => {
  const { told } = await house();
  const entity = VIEWS.slice(0, VIEWS.indexOf('---\napi', 5)).replace('{shop: String}', '{till: String}');
  expect(await told(entity)).toContain('Entity/shop spec FeatureView turnover is computed from it and could not be any more');
});

test('a source keeps the key by which the records on its topic are placed, and their partitions', async () => {
  const { told, version } = await house(SALES);
  expect(await told(SALES.replace('key: shop', 'key: [shop, kind]'))).toBe(
    'Source/sales spec.key cannot change to shop, kind: the records on its topic are placed by shop; give it another topic, or define another source',
  );
  expect(await told(SALES.replace('partitions: 4', 'partitions: 9'))).toContain('spec.partitions cannot change: its topic has 4;');
  expect(version()).toBe(1);
  expect(await told(SALES.replace('key: shop', 'key: [shop]'))).toBe('applied');
  expect(await told(SALES.replace('key: shop', 'key: [shop, kind]').replace('topic: sales', 'topic: sales_2'))).toBe('applied');
  expect(await told(SALES.replace('key: shop, ', '').replace('topic: sales', 'topic: sales_2'))).toBe('applied');
  const own = SALES.replace('topic: sales', 'push: true');
  expect(await told(own)).toBe('applied');
  expect(await told(own.replace('key: shop', 'key: kind'))).toContain('are placed by shop; define another source');
  expect(await told(own.replace('key: shop, ', ''))).toBe('applied');
  expect(await told(own)).toContain('are placed not by a key');
});

test('a source that is made again, or comes back to its topic, keeps what its records were placed by', async () => {
  const { told, drop } = await house(SALES);
  const other = SALES.replace('key: shop', 'key: kind');
  expect(await told(other.replace('topic: sales', 'topic: sales_2'))).toBe('applied');
  expect(await told(other)).toContain('spec.key cannot change to kind: the records on its topic are placed by shop;');
  drop();
  expect(await told(other)).toContain('spec.key cannot change to kind: the records on its topic are placed by shop;');
  expect(await told(SALES.replace('partitions: 4', 'partitions: 9'))).toContain('spec.partitions cannot change: its topic has 4;');
  expect(await told(SALES.replace('shop: String', 'shop: Int64'))).toContain('as its key rests on it');
  expect(await told(SALES.replace('spare: Int32', 'spare: String'))).toBe('applied');
});

test('a column that was the key keeps its type, as the table is sorted by it', async () => {
  const { told } = await house(SALES);
  const keyless = SALES.replace('key: shop, ', '');
  const refused = (type: string): string =>
    `Source/sales spec.schema.shop cannot change from String to ${type}, as what was its key rests on it: its events have the one; ` +
    'add a column of another name, or give it another topic, or define another source';
  expect(await told(keyless.replace('shop: String', 'shop: Int32'))).toBe(refused('Int32'));
  expect(await told(keyless)).toBe('applied');
  expect(await told(keyless.replace('shop: String', 'shop: Int32'))).toBe(refused('Int32'));
  expect(await told(keyless.replace('shop: String', 'shop: Nullable(String)'))).toBe(refused('Nullable(String)'));
  expect(await told(keyless.replace('shop: String, ', ''))).toBe('applied');
  expect(await told(keyless.replace('shop: String', 'shop: Int32'))).toBe(refused('Int32'));
  expect(await told(keyless.replace('shop: String', 'shop: Int32').replace('topic: sales', 'topic: sales_2'))).toBe('applied');
  expect(await told(keyless)).toBe('applied');
});
