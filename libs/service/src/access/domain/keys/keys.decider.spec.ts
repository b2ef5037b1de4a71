import { describe, expect, test } from '@jest/globals';
import { deciderSpec } from '@millrace/kernel/testing';
import { isLive, keys, KEYS } from './keys.decider.js';
import type { ApiKeyCreated, KeysEvent } from './keys.events.js';

const NOW = 1_000_000;
const spec = deciderSpec(keys, { subject: KEYS, time: NOW, actor: 'ann' });
const given = (...events: KeysEvent[]) => spec.given(...events);

const data = (id: string, name: string, more: Partial<ApiKeyCreated> = {}): ApiKeyCreated => ({
  ...{ keyId: id.padStart(16, '0'), name, actor: name, workspace: 'default', role: 'editor', hash: id.padStart(64, '0'), expiresAt: null },
  ...more,
});
const created = (...args: Parameters<typeof data>): KeysEvent => ({ type: 'ApiKeyCreated', data: data(...args) });
const revoked = (id: string): KeysEvent => ({ type: 'ApiKeyRevoked', data: { keyId: id.padStart(16, '0'), reason: null } });

describe('the catalog of API keys', () => {
  test('the first key is given once, whatever became of it', () => {
    given()
      .when({ type: 'CreateFirstKey', ...data('1', 'first') })
      .accepts(created('1', 'first'));
    given(created('1', 'first'))
      .when({ type: 'CreateFirstKey', ...data('2', 'first') })
      .unchanged();
    given(created('1', 'first'), revoked('1'))
      .when({ type: 'CreateFirstKey', ...data('2', 'first') })
      .unchanged();
  });

  test('a name belongs to one live key', () => {
    given(created('1', 'trainer'))
      .when({ type: 'CreateKey', ...data('2', 'trainer') })
      .rejects('MR_ACCESS_KEY_NAME_TAKEN', { name: 'trainer' });
    given(created('1', 'trainer'), revoked('1'))
      .when({ type: 'CreateKey', ...data('2', 'trainer') })
      .accepts(created('2', 'trainer'));
    given(created('1', 'trainer', { expiresAt: NOW }))
      .when({ type: 'CreateKey', ...data('2', 'trainer') })
      .accepts(created('2', 'trainer'));
  });

  test('a key that has expired already is none', () => {
    given()
      .when({ type: 'CreateKey', ...data('1', 'late', { expiresAt: NOW }) })
      .rejects('MR_ACCESS_KEY_EXPIRY_INVALID');
  });

  test('is revoked once, with who and why', () => {
    const revoke = { type: 'RevokeKey', keyId: data('1', '').keyId, reason: 'leaked' } as const;
    given().when(revoke).rejects('MR_ACCESS_KEY_NOT_FOUND');
    const state = given(created('1', 'trainer'))
      .when(revoke)
      .accepts({ type: 'ApiKeyRevoked', data: { keyId: revoke.keyId, reason: 'leaked' } });
    expect(state.byId.get(revoke.keyId)?.revoked).toEqual({ at: NOW, by: 'ann', reason: 'leaked' });
    given(created('1', 'trainer'), revoked('1')).when(revoke).unchanged();
  });

  test('opens until it expires or is revoked', () => {
    const key = given(created('1', 'trainer', { expiresAt: NOW + 1 })).state.byId.get(data('1', '').keyId)!;
    expect([isLive(key, NOW), isLive(key, NOW + 1)]).toEqual([true, false]);
    expect(isLive({ ...key, revoked: { at: NOW, by: 'ann', reason: null } }, NOW)).toBe(false);
  });
});
