import { Fields } from '@millrace/mlflow-protocol';
import { describe, expect, test } from '@jest/globals';
import type { FastifyRequest } from 'fastify';
import { byWhom, endpointNameOf, rejected } from './context.js';

const by = (identity: object | undefined, said: string | undefined, actor: string) =>
  byWhom({ identity } as unknown as FastifyRequest, new Fields({ created_by: said }), 'created_by', { commandId: 'c', actor, now: 1 });

describe('who configures the gateway', () => {
  test('is who the credentials say, whatever the client says', () => {
    expect(by({ actor: 'ann' }, 'bob', 'ann')).toBe('ann');
  });

  test('is who the client says where nobody is asked, and nobody where it does not say', () => {
    expect(by(undefined, 'bob', 'anonymous')).toBe('bob');
    expect(by(undefined, undefined, 'job')).toBe('job');
    expect(by(undefined, '', 'anonymous')).toBeNull();
    expect(() => by(undefined, 'x'.repeat(256), 'anonymous')).toThrow(/created_by: it has 256 characters/);
  });
});

test.each(['', 'a b', 'a/b', 'größe', 'x'.repeat(256)])('%j is no name of an endpoint', (name) => {
  expect(() => endpointNameOf(name)).toThrow(/Invalid endpoint name/);
});

test('what is in use is a refusal, and no failure that clients repeat', () => {
  expect(rejected({ code: 'MR_TRACKING_GATEWAY_IN_USE', message: 'm' })).toMatchObject({ code: 'INVALID_STATE', status: 400 });
  expect(rejected({ code: 'MR_TRACKING_GATEWAY_NOT_FOUND', message: 'm' })).toMatchObject({ code: 'RESOURCE_DOES_NOT_EXIST', status: 404 });
});
