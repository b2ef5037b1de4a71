import { describe, expect, test } from '@jest/globals';
import type { LoggedDecision } from '@millrace/kernel';
import { ProblemError } from '../http/problem.js';
import type { Identity } from './identity.js';
import { StandingCredentials } from './standing.js';

const KEY: Identity = { actor: 'ana', role: 'viewer', workspace: '*', by: 'key', keyId: 'k1', expiresAt: null };
const TOKEN: Identity = { ...KEY, by: 'token', keyId: null };
const REFUSED = new ProblemError(401, 'MR_ACCESS_UNAUTHENTICATED', 'revoked');
const revoked = (keyId: string) => ({ type: 'ApiKeyRevoked', data: { keyId, reason: null } }) as unknown as LoggedDecision;
const ended = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener('abort', () => resolve(signal.reason));
  });

describe('credentials behind what stays open', () => {
  function opened(first: Identity, rule: 'viewer' | 'editor' = 'viewer') {
    let answer: () => Identity | Promise<Identity> = () => first;
    const standing = new StandingCredentials(() => answer(), { now: () => Date.now() });
    const closed = new AbortController();
    const signal = standing.watch({ authorization: 'Bearer x', rule }, closed.signal);
    return { standing, closed, signal, answers: (next: typeof answer) => (answer = next) };
  }
  const refuse = (): never => {
    throw REFUSED;
  };

  test('end with the record that revokes their key, and with no other', async () => {
    const { standing, signal, answers } = opened(KEY);
    await Promise.resolve();
    answers(refuse);
    standing.heard(revoked('another'));
    expect(signal.aborted).toBe(false);
    standing.heard(revoked('k1'));
    expect(await ended(signal)).toBe(REFUSED);
  });

  test('end when what they opened was revoked before it was watched', async () => {
    const standing = new StandingCredentials(refuse, { now: () => 0 });
    expect(await ended(standing.watch({ authorization: 'x', rule: 'viewer' }, new AbortController().signal))).toBe(REFUSED);
  });

  test('are looked at anew at their time: one more round, or the end', async () => {
    const { signal, answers } = opened({ ...TOKEN, expiresAt: Date.now() + 5 });
    let looks = 0;
    answers(() => (++looks < 3 ? Promise.resolve({ ...TOKEN, expiresAt: Date.now() + 5 }) : Promise.reject(REFUSED)));
    expect(await ended(signal)).toBe(REFUSED);
    expect(looks).toBe(3);
  });

  test('end when their role no longer does', async () => {
    const { signal, answers } = opened({ ...TOKEN, role: 'editor', expiresAt: Date.now() + 5 }, 'editor');
    answers(() => ({ ...TOKEN, role: 'viewer' }));
    expect(await ended(signal)).toMatchObject({ status: 403, code: 'MR_ACCESS_FORBIDDEN' });
  });

  test('a far time is waited for in parts, and nothing is followed that has closed', async () => {
    const { standing, closed, signal, answers } = opened({ ...KEY, expiresAt: Date.now() + 400 * 86_400_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(signal.aborted).toBe(false);
    closed.abort();
    answers(refuse);
    standing.heard(revoked('k1'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(signal.aborted).toBe(false);
  });
});
