import { describe, expect, test } from '@jest/globals';
import type { VersionView } from '../../queries/registry-view.js';
import { versionOrder } from './search.js';

const version = (name: string, number: number) => ({ registered: { name }, version: { version: number } }) as unknown as VersionView;

describe('order_by of versions', () => {
  const [a1, a2, b1] = [version('a', 1), version('a', 2), version('b', 1)];
  const sorted = (...orderBy: string[]) => [b1, a1, a2].sort(versionOrder(orderBy));

  test.each(['name', 'attribute.name', 'attributes.name', '`name`'])('%s names the attribute', (key) => {
    expect(sorted(`${key} ASC`)).toEqual([a2, a1, b1]);
    expect(sorted(`${key} DESC`, 'version_number ASC')).toEqual([b1, a1, a2]);
  });

  test.each(['tags.name', 'nope', 'attribute.nope'])('%s is refused', (key) => {
    expect(() => sorted(key)).toThrow('Invalid order by key');
  });
});
