import { expect, test } from '@jest/globals';
import type { OpenApiDocument } from '@millrace/service';
import { union } from './openapi.js';

function document(tags: readonly string[], paths: OpenApiDocument['paths']): OpenApiDocument {
  return { openapi: '3.1.0', info: {}, servers: [], tags: tags.map((name) => ({ name })), paths, components: {} };
}

test('a union has the paths, methods and tags of all, each once and in order', () => {
  const one = document(['common', 'tracking'], { '/b': { get: 'one' }, '/c': { get: 'common' } });
  const other = document(['common', 'features'], { '/a': { get: 'other' }, '/b': { post: 'other' }, '/c': { get: 'common' } });
  const both = union([one, other]);
  expect(Object.entries(both.paths)).toEqual([
    ['/a', { get: 'other' }],
    ['/b', { post: 'other', get: 'one' }],
    ['/c', { get: 'common' }],
  ]);
  expect(both.components).toEqual({ schemas: {} });
  expect(both.tags.map(({ name }) => name)).toEqual(['common', 'features', 'tracking']);
});

test('a union has the schemas of all: each service has those of its own routes', () => {
  const withSchema = (name: string): OpenApiDocument => ({ ...document([], {}), components: { schemas: { Problem: {}, [name]: {} } } });
  const { components } = union([withSchema('BatchJob'), withSchema('Promotion')]);
  expect(Object.keys(components['schemas'] as object)).toEqual(['Problem', 'BatchJob', 'Promotion']);
});
