import { expect, test } from '@jest/globals';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { basePathOf, checkPathPrefix, publicPath, takePrefix, urlBelow } from './path-prefix.js';

test.each([
  ['/millrace/v2/models?a=/millrace', '/v2/models?a=/millrace'],
  ['/millrace/', '/'],
  ['/millrace', '/'],
  ['/millrace?a=b', '/?a=b'],
  ['/millrace//v2', '//v2'],
  ['/millrace/millrace/v2', '/millrace/v2'],
  ['/millraces/v2', undefined],
  ['/millrace%2fv2', undefined],
  ['/v2/millrace/x', undefined],
  ['//millrace/v2', undefined],
  ['/MILLRACE/v2', undefined],
  ['/', undefined],
  ['*', undefined],
])('%s is %s below the prefix', (url, below) => {
  expect(urlBelow('/millrace', url)).toBe(below);
});

const taken = (url: string, headers: IncomingHttpHeaders = {}): { url: string | undefined; base: string } => {
  const request = { url, headers } as IncomingMessage;
  takePrefix(request, '/millrace');
  return { url: request.url, base: basePathOf(request.headers) };
};

test('what is taken away is told as a proxy tells it, behind what one has told', () => {
  expect(taken('/millrace/v2')).toEqual({ url: '/v2', base: '/millrace' });
  expect(taken('/v2')).toEqual({ url: '/v2', base: '' });
  expect(taken('/millrace/v2', { 'x-forwarded-prefix': '/team/' })).toEqual({ url: '/v2', base: '/team/millrace' });
  // Of a proxy that takes it away itself, and of one that only says so.
  expect(taken('/v2', { 'x-forwarded-prefix': '/millrace' })).toEqual({ url: '/v2', base: '/millrace' });
  expect(taken('/millrace/v2', { 'x-forwarded-prefix': '/millrace' })).toEqual({ url: '/v2', base: '/millrace' });
});

test('a whole URL is below it too, as clients write it to a proxy', () => {
  expect(taken('http://ml.example:8080/millrace/v2?a=b')).toEqual({ url: '/v2?a=b', base: '/millrace' });
  expect(taken('http://millrace/v2')).toEqual({ url: 'http://millrace/v2', base: '' });
});

test.each([
  [undefined, '/a'],
  ['/team', '/team/a'],
  ['/team/, /other', '/team/a'],
  ['//evil.example', '/a'],
  ['evil.example', '/a'],
  ['/"onmouseover=', '/a'],
])('a link for the client of a proxy that says %s', (given, link) => {
  expect(publicPath({ headers: given === undefined ? {} : { 'x-forwarded-prefix': given } }, '/a')).toBe(link);
});

test.each([
  ['/api', '/api/v1/runs/:id'],
  ['/api/v1', '/api/v1/runs/:id'],
  ['/v2/models/mine', '/v2/models/:model/infer'],
  ['/v2/mine', '/v2/*'],
  ['/push', '/push'],
])('%s is refused as a prefix where there is %s', (prefix, pattern) => {
  expect(() => checkPathPrefix(prefix, ['/', pattern])).toThrow(
    `MILLRACE_PATH_PREFIX is ${prefix}, and Millrace has paths of its own there (${pattern})`,
  );
});

test.each(['/millrace', '/api/millrace', '/pushed', '/push/x', '/a/v2'])('%s is no path of ours', (prefix) => {
  expect(() => checkPathPrefix(prefix, ['/', '/api/v1/runs/:id', '/v2/models/:model/infer', '/push'])).not.toThrow();
});
