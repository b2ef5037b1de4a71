import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Fault } from '@millrace/kernel';
import { fastify, type FastifyInstance } from 'fastify';
import { invalid } from './mlflow-error.js';
import { registerMlflowRoutes, registerUnknownMlflowPaths } from './routes.js';

describe('registerMlflowRoutes', () => {
  let server: FastifyInstance;
  let defects: unknown[];

  beforeEach(() => {
    server = fastify();
    defects = [];
    registerMlflowRoutes(
      server,
      [
        { method: 'POST', path: 'things/create', handle: async ({ fields }) => ({ name: fields.requiredString('name') }) },
        {
          ...{ method: 'POST', path: 'things/measure', takesNonFinite: true },
          handle: async ({ fields }) => ({ key: fields.requiredString('key'), value: String(fields.requiredDouble('value')) }),
        },
        { method: 'GET', path: 'things/get', handle: async ({ fields }) => ({ ids: fields.strings('ids') }) },
        { method: 'DELETE', path: 'things/delete', handle: async () => undefined },
        { method: 'POST', path: 'things/refuse', handle: async () => Promise.reject(invalid('no')) },
        { method: 'POST', path: 'things/fault', handle: async () => Promise.reject(new Fault('MR_DEADLINE_EXCEEDED', 'late', true)) },
        { method: 'POST', path: 'things/defect', handle: async () => Promise.reject(new TypeError('secret detail')) },
      ],
      { onDefect: (error) => defects.push(error), bodyLimit: 1000 },
    );
    registerUnknownMlflowPaths(server);
  });

  afterEach(() => server.close());

  test.each(['/api/2.0/mlflow', '/ajax-api/2.0/mlflow'])('answers under %s', async (prefix) => {
    const created = await server.inject({ method: 'POST', url: `${prefix}/things/create`, payload: { name: 'a' } });
    expect([created.statusCode, created.json()]).toEqual([200, { name: 'a' }]);
    expect((await server.inject(`${prefix}/things/get?ids=1&ids=2`)).json()).toEqual({ ids: ['1', '2'] });
    expect((await server.inject({ method: 'DELETE', url: `${prefix}/things/delete`, payload: {} })).json()).toEqual({});
  });

  test('reads JSON under any content type, twice encoded as old clients do, and an empty body as no fields', async () => {
    const post = (payload: string, type: string) =>
      server.inject({ method: 'POST', url: '/api/2.0/mlflow/things/create', payload, headers: { 'content-type': type } });
    expect((await post('{"name":"a"}', 'text/plain')).json()).toEqual({ name: 'a' });
    expect((await post(JSON.stringify('{"name":"a"}'), 'application/json')).json()).toEqual({ name: 'a' });
    expect((await post('', 'application/json')).json()).toMatchObject({ error_code: 'INVALID_PARAMETER_VALUE' });
  });

  test.each(['{"name":', '[]', '"text"', '7'])('says that %s is no request', async (payload) => {
    const answer = await server.inject({
      method: 'POST',
      url: '/api/2.0/mlflow/things/create',
      payload,
      headers: { 'content-type': 'application/json' },
    });
    expect([answer.statusCode, answer.json()]).toEqual([400, { error_code: 'BAD_REQUEST', message: expect.any(String) }]);
  });

  test('reads the numbers that Python writes and JSON has no word for, where they are meant', async () => {
    const post = async (path: string, payload: string) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await server.inject({ method: 'POST', url: `/api/2.0/mlflow/things/${path}`, payload, headers });
      return [answer.statusCode, answer.json<unknown>()];
    };
    for (const value of ['NaN', 'Infinity', '-Infinity']) {
      expect(await post('measure', `{"key": "a NaN \\" Infinity", "value": ${value}}`)).toEqual([200, { key: 'a NaN " Infinity', value }]);
    }
    expect(await post('measure', JSON.stringify('{"key": "a", "value": NaN}'))).toEqual([200, { key: 'a', value: 'NaN' }]);
    const refused = (message: RegExp) => [400, expect.objectContaining({ message: expect.stringMatching(message) })];
    expect(await post('measure', '{"key": NaN, "value": 1}')).toEqual(refused(/^Invalid value NaN for parameter 'key'/));
    expect(await post('measure', '{"key": "a", "value": -NaN}')).toEqual(refused(/is not JSON/));
    expect(await post('create', '{"name": NaN}')).toEqual(refused(/is not JSON: .* send them as text, such as "NaN"/));
    expect(await post('create', '{"name": }')).toEqual(refused(/is not JSON: (?!.*NaN)/));
  });

  test('gives each error its status, and keeps a defect to itself', async () => {
    const answers = await Promise.all(
      ['refuse', 'fault', 'defect'].map((path) => server.inject({ method: 'POST', url: `/api/2.0/mlflow/things/${path}` })),
    );
    expect(answers.map((answer) => [answer.statusCode, answer.json<{ error_code: string }>().error_code])).toEqual([
      [400, 'INVALID_PARAMETER_VALUE'],
      [503, 'TEMPORARILY_UNAVAILABLE'],
      [500, 'INTERNAL_ERROR'],
    ]);
    // What passes by itself says when to come again.
    expect(answers.map(({ headers }) => headers['retry-after'])).toEqual([undefined, '1', undefined]);
    expect(answers[2]?.body).not.toContain('secret');
    expect(defects).toEqual([expect.objectContaining({ message: 'secret detail' })]);
  });

  test.each(['/api/2.0/mlflow/nothing', '/ajax-api/3.0/mlflow/a/b', '/api/2.0/mlflow/things/create'])(
    'says that GET %s leads nowhere',
    async (url) => {
      const answer = await server.inject(url);
      expect([answer.statusCode, answer.json()]).toEqual([404, { error_code: 'ENDPOINT_NOT_FOUND', message: expect.any(String) }]);
    },
  );

  test('refuses a body over the bound', async () => {
    const answer = await server.inject({ method: 'POST', url: '/api/2.0/mlflow/things/create', payload: { name: 'x'.repeat(2000) } });
    expect([answer.statusCode, answer.json()]).toEqual([400, { error_code: 'BAD_REQUEST', message: expect.stringContaining('too large') }]);
  });
});
