import { FEATURE_NAMES } from './served-models.js';

export const ENTITIES = 2_000;
export const FEATURE_SERVICE = 'everything';

const PUSHED_AT_ONCE = 500;

/** A view of as many features as the models have columns, and rows for it. */
export async function defineFeatures(url: string): Promise<void> {
  const schema = ['driver: Int64', 'event_timestamp: DateTime64(3)', ...FEATURE_NAMES.map((name) => `${name}: Float64`)].join(', ');
  const features = FEATURE_NAMES.map((name) => `{name: ${name}, aggregate: last, column: ${name}}`).join(', ');
  const documents = [
    ['Source', 'rows', `{topic: rows, key: driver, eventTime: event_timestamp, schema: {${schema}}}`],
    ['Entity', 'driver', '{joinKeys: {driver: Int64}}'],
    ['FeatureView', 'stats', `{entity: driver, source: rows, features: [${features}]}`],
    ['FeatureService', FEATURE_SERVICE, '{features: [stats]}'],
  ];
  const body = documents.map(
    ([kind, name, spec]) => `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`,
  );
  await post(`${url}/api/v1/apply`, 'application/yaml', body.join('---\n'));
  const time = new Date(Date.now() - 3_600_000).toISOString();
  for (let from = 0; from < ENTITIES; from += PUSHED_AT_ONCE) {
    const ids = Array.from({ length: PUSHED_AT_ONCE }, (_, row) => from + row);
    const df: Record<string, unknown[]> = { driver: ids, event_timestamp: ids.map(() => time) };
    for (const [index, name] of FEATURE_NAMES.entries()) df[name] = ids.map((id) => (id * (index + 1)) / 7 + 0.125);
    await post(`${url}/push`, 'application/json', JSON.stringify({ push_source_name: 'rows', df, to: 'online' }));
  }
}

async function post(url: string, type: string, body: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}
