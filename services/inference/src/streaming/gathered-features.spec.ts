import { expect, test } from '@jest/globals';
import { invalid, Refusal } from '../domain/refusal.js';
import type { FeatureReader, FeatureVectors } from '../gateway/feature-vectors.js';
import { GatheredFeatures } from './gathered-features.js';

type Asked = { readonly keys: string[]; readonly at: number | readonly number[] };

/** Gives back what it was asked for, and refuses key `old`. */
function reader(asked: Asked[], failure?: Error): FeatureReader {
  return {
    shapeOf: () => undefined,
    read: (service, entities, requests, at) => {
      const keys = entities.map(({ key }) => String(key));
      asked.push({ keys, at });
      if (failure) return Promise.reject(failure);
      if (keys.includes('old')) return Promise.reject(invalid('older than the online store keeps'));
      const rows = keys.map((key, row) => new Map([['f', `${service}:${key}:${String(requests[row]?.['x'])}`]]));
      return Promise.resolve({ rows, statuses: rows.map(() => null), positions: { v: 1 }, versions: {} });
    },
  };
}

const told = ({ rows }: FeatureVectors): unknown[] => rows.map((row) => row.get('f'));

test('what is asked for in one turn is read at once, each as of its own time, and given back to who asked', async () => {
  const asked: Asked[] = [];
  const features = new GatheredFeatures(reader(asked));
  const answers = await Promise.all([
    features.read('s', [{ key: 'a' }], [{ x: 1 }], 10),
    features.read('s', [{ key: 'b' }, { key: 'c' }], [{ x: 2 }, { x: 3 }], 20),
    features.read('t', [{ key: 'd' }], [{ x: 4 }], 30),
  ]);
  expect(answers.map(told)).toEqual([['s:a:1'], ['s:b:2', 's:c:3'], ['t:d:4']]);
  expect(asked).toEqual([
    { keys: ['a', 'b', 'c'], at: [10, 20, 20] },
    { keys: ['d'], at: 30 },
  ]);
  await features.read('s', [{ key: 'e' }], [{ x: 5 }], 10);
  expect(asked[2]).toEqual({ keys: ['e'], at: 10 });
});

test('a row that cannot be answered is refused alone', async () => {
  const features = new GatheredFeatures(reader([]));
  const [first, second] = await Promise.allSettled([
    features.read('s', [{ key: 'a' }], [{ x: 1 }], 10),
    features.read('s', [{ key: 'old' }], [{ x: 1 }], 1),
  ]);
  expect(first.status === 'fulfilled' && told(first.value)).toEqual(['s:a:1']);
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'MR_INFERENCE_INVALID' } });
});

test('a store that is away is asked once, and all hear of it', async () => {
  const asked: Asked[] = [];
  const features = new GatheredFeatures(reader(asked, new Refusal('MR_INFERENCE_FEATURES', 'away')));
  const read = (key: string) => features.read('s', [{ key }], [{}], 1);
  expect((await Promise.allSettled([read('a'), read('b')])).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(asked).toHaveLength(1);
});
