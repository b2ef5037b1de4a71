import { describe, expect, test } from '@jest/globals';
import { checkSource } from './check-source.js';
import { meaningOf } from './pins.js';
import type { SourceSpec } from './resource.js';
import { sourceDefinition } from './source-definition.js';

const SCHEMA = { id: 'String', city: 'String', at: 'DateTime64(3)' };
const problems = (spec: Partial<SourceSpec>): string[] => {
  const found: string[] = [];
  checkSource({ eventTime: 'at', schema: SCHEMA, ...spec }, (field, message) => void found.push(`${field} ${message}`));
  return found;
};

describe('where a source’s events come from', () => {
  test.each([
    ['a topic', { topic: 'trips' }],
    ['a push source', { push: true as const }],
    ['a query with an id', { query: '-- of all\n/* cities */ (select 1)', eventId: 'id' }],
    ['a query with a key', { query: 'WITH 1 AS x SELECT x', key: 'city' }],
    ['a table', { table: 'lab.trips', key: ['city'], schedule: { every: '1h', lookback: '2d' } }],
    ['files of the artifact store', { files: 'exports/2026-*/trips-?.PARQUET', eventId: 'id' }],
    ['files below a root', { files: 'file:///data/trips.csv', eventId: 'id', schedule: { lookback: '2d' } }],
  ])('%s is right', (_what, spec) => {
    expect(problems(spec)).toEqual([]);
  });

  test.each([
    ['nothing', {}, 'spec.topic is missing; a source has exactly one of topic, query, table, files or push: true'],
    ['two', { topic: 'a', files: 'a.csv', eventId: 'id' }, 'spec.files is there beside topic; a source has exactly one of'],
    ['a topic of the platform', { topic: 'millrace.access.decisions' }, "spec.topic names beginning with millrace. are the platform's own"],
    [
      'a topic of another source',
      { topic: 'millrace.features.sources.s' },
      "spec.topic names beginning with millrace. are the platform's own",
    ],
    ['a topic of dead letters', { topic: 'trips.dead-letters' }, 'spec.topic names ending in .dead-letters'],
    ['an insert', { query: 'INSERT INTO a SELECT 1', eventId: 'id' }, 'spec.query must be a SELECT'],
    ['a select that is none', { query: 'SELECTED', eventId: 'id' }, 'spec.query must be a SELECT'],
    ['rows without an id', { table: 'a.b' }, 'spec.eventId is missing: name the column that tells a row from all others, or a key'],
    [
      'a column of ours',
      { table: 'a.b', key: 'city', schema: { ...SCHEMA, event_id: 'String' } },
      'spec.schema.event_id is the column of the id',
    ],
    ['a format', { table: 'a.b', key: 'city', format: 'cloudevents' as const }, 'spec.format is for events that others write'],
    ['a schedule of a push source', { push: true as const, schedule: { every: '1h' } }, 'spec.schedule is for a source with a query'],
    ['too short a schedule', { table: 'a.b', key: 'city', schedule: { every: '0m' } }, 'spec.schedule.every must be at least 1s'],
    ['no path', { files: '/etc/passwd.csv', eventId: 'id' }, 'spec.files must be made of parts between single slashes'],
    ['a way out', { files: 'file:///data/../etc/a.csv', eventId: 'id' }, 'spec.files must be made of parts between single slashes'],
    ['another scheme', { files: 's3://bucket/a.csv', eventId: 'id' }, 'spec.files is neither a path in the artifact store'],
    ['another kind of file', { files: 'a.json', eventId: 'id' }, 'spec.files must end in .parquet or .csv'],
  ])('%s is refused', (_what, spec, problem) => {
    expect(problems(spec)).toEqual([expect.stringContaining(problem)]);
  });
});

test('rows whose id is computed have it in a column; a topic of our own is named after the source', () => {
  expect(sourceDefinition('s', { query: 'SELECT 1', key: 'city', eventTime: 'at', schema: SCHEMA })).toMatchObject({
    topic: 'millrace.features.sources.s',
    eventId: 'event_id',
    key: ['city'],
    schema: { ...SCHEMA, event_id: 'String' },
  });
  expect(sourceDefinition('s', { push: true, eventTime: 'at', schema: SCHEMA })).toEqual({
    ...{ name: 's', topic: 'millrace.features.sources.s', push: true, key: [], eventTime: 'at', schema: SCHEMA },
  });
  expect(sourceDefinition('s', { topic: 't', eventTime: 'at', schema: SCHEMA }).topic).toBe('t');
});

test('another schedule is the same definition, another query is not', () => {
  const spec = { query: 'SELECT 1', eventTime: 'at', schema: SCHEMA };
  expect(meaningOf('Source', { ...spec, schedule: { every: '1h' } })).toEqual(meaningOf('Source', spec));
  expect(meaningOf('Source', { ...spec, query: 'SELECT 2' })).not.toEqual(meaningOf('Source', spec));
});
