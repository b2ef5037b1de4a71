import { describe, expect, test } from '@jest/globals';
import { proxiedArtifactPath } from './artifact-uri.js';
import { Fields, jsonDouble, QueryFields } from './fields.js';
import { checkEntityName, checkLength, cutTo } from './names.js';
import { parseOrderBy } from './order-by.js';
import { cursorOf, offsetOf, pageAfter, pageToken, type Page } from './page-token.js';

const refusal = (message: string | RegExp) =>
  expect.objectContaining({ code: 'INVALID_PARAMETER_VALUE', message: expect.stringMatching(message) });

describe('Fields', () => {
  test('reads 64-bit integers and doubles as numbers and as text', () => {
    const fields = new Fields({ a: 12, b: '12', c: 'NaN', d: '-Infinity', e: '1e3', f: 0.5 });
    expect([fields.integer('a'), fields.integer('b'), fields.integer('none')]).toEqual([12, 12, undefined]);
    expect(['c', 'd', 'e', 'f'].map((name) => fields.requiredDouble(name))).toEqual([NaN, -Infinity, 1000, 0.5]);
  });

  test.each([
    ['text for an integer', (fields: Fields) => fields.integer('text')],
    ['a fraction for an integer', (fields: Fields) => fields.integer('fraction')],
    ['more than 64 bits', (fields: Fields) => fields.integer('huge')],
    ['text for a double', (fields: Fields) => fields.requiredDouble('text')],
    ['a truth value for a double', (fields: Fields) => fields.requiredDouble('truth')],
    ['a number for text', (fields: Fields) => fields.string('fraction')],
    ['one value for a list', (fields: Fields) => fields.strings('text')],
    ['numbers for a list of text', (fields: Fields) => fields.strings('numbers')],
    ['text for messages', (fields: Fields) => fields.messages('names')],
  ])('refuses %s in the words clients know', (_, read) => {
    const fields = new Fields({ text: 'abc', fraction: 1.5, huge: '99999999999999999999', truth: true, numbers: [1], names: ['a'] });
    expect(() => read(fields)).toThrow(refusal(/^Invalid value .* for parameter '.*' supplied/));
  });

  test('says which required field is missing; null and empty text are missing', () => {
    for (const fields of [new Fields({}), new Fields({ run_id: null }), new Fields({ run_id: '' })]) {
      expect(() => fields.requiredString('run_id')).toThrow(refusal(/^Missing value for required parameter 'run_id'/));
    }
  });

  test('a query holds lists of one as one value', () => {
    expect(new QueryFields({ ids: 'a' }).strings('ids')).toEqual(['a']);
    expect(new QueryFields({ 'ids[]': ['a', 'b'] }).strings('ids')).toEqual(['a', 'b']);
  });

  test('writes what JSON has no number for as text', () => {
    expect([NaN, Infinity, -Infinity, 1.5].map(jsonDouble)).toEqual(['NaN', 'Infinity', '-Infinity', 1.5]);
  });
});

describe('parseOrderBy', () => {
  test.each([
    ['metrics.loss', { entity: 'metrics', key: 'loss', ascending: true }],
    ['metrics.`val loss` DESC', { entity: 'metrics', key: 'val loss', ascending: false }],
    ['params."a b" asc', { entity: 'params', key: 'a b', ascending: true }],
    ['tags.mlflow.runName desc', { entity: 'tags', key: 'mlflow.runName', ascending: false }],
    ['start_time DESC', { entity: null, key: 'start_time', ascending: false }],
    ['`name`', { entity: null, key: 'name', ascending: true }],
    ['attributes.`Run Name`', { entity: 'attributes', key: 'Run Name', ascending: true }],
  ])('reads %s', (text, clause) => {
    expect(parseOrderBy(text)).toEqual(clause);
  });

  test.each(['', 'name sideways', 'a b c', 'metrics. DESC'])('refuses %j', (text) => {
    expect(() => parseOrderBy(text)).toThrow(refusal('order_by'));
  });
});

describe('page tokens', () => {
  test('an offset comes back, and pages cover everything once', () => {
    expect(offsetOf(pageToken(40))).toBe(40);
    const all = Array.from({ length: 25 }, (_, index) => index);
    const seen: number[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const page: Page<number> = pageAfter(all, cursorOf(token), 10, String);
      seen.push(...page.items);
      token = page.nextPageToken;
    }
    expect(seen).toEqual(all);
  });

  test.each([
    '!!!',
    Buffer.from('nonsense').toString('base64'),
    Buffer.from('{}').toString('base64'),
    Buffer.from('[]').toString('base64'),
  ])('refuses the token %j', (token) => {
    expect(() => offsetOf(token)).toThrow(refusal(/^Invalid page token/));
  });
});

describe('names', () => {
  test.each(['../x', '/x', 'x/', 'a//b', 'a/./b', '.', 'a;b', 'tab\t'])('refuses the metric name %j', (name) => {
    expect(() => checkEntityName('metric', name)).toThrow(refusal(/^Invalid metric name/));
  });

  test.each(['loss', 'val/loss', 'a b', 'mlflow.source.type', 'Größe', 'a-b_c.d', 'val:loss'])('takes the metric name %j', (name) => {
    expect(() => checkEntityName('metric', name)).not.toThrow();
  });

  test('cuts to characters, not UTF-16 units', () => {
    expect([cutTo(3, 'abc'), cutTo(3, 'abcd'), cutTo(2, '😀😀😀')]).toEqual(['abc', 'abc', '😀😀']);
  });

  test('counts characters, not UTF-16 units', () => {
    expect(() => checkLength('Tag value', 3, '😀😀😀')).not.toThrow();
    expect(() => checkLength('Tag value', 3, 'abcd')).toThrow(refusal("Tag value 'abcd' had length 4, which exceeded length limit of 3"));
  });
});

describe('proxiedArtifactPath', () => {
  test.each([
    ['mlflow-artifacts:/1/r/artifacts', '1/r/artifacts'],
    ['mlflow-artifacts:1/r', '1/r'],
    ['mlflow-artifacts://host:80/1/r/', '1/r'],
    ['mlflow-artifacts:/', ''],
    ['s3://bucket/1', undefined],
    ['runs:/r/model', undefined],
  ])('%s is %s', (uri, path) => {
    expect(proxiedArtifactPath(uri)).toBe(path);
  });
});
