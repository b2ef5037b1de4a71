import { beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { Oidc, roleIn } from './oidc.js';

const OPTIONS = {
  issuer: 'https://issuer.example.org',
  audience: 'millrace',
  jwksUrl: 'https://issuer.example.org/keys',
  rolesClaim: 'realm_access.roles',
  actorClaim: 'email',
  workspace: 'fraud',
};
const NOW = Date.now();

describe('tokens of an issuer', () => {
  let privateKey: CryptoKey;
  let oidc: Oidc;

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256');
    privateKey = pair.privateKey;
    oidc = new Oidc(OPTIONS, createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' }] }));
  });

  const CLAIMS: JWTPayload = { email: 'ana@example.org', realm_access: { roles: ['offline_access', 'fraud:approver', 'viewer'] } };
  const sign = (claims: Record<string, unknown> = {}, header: { alg: string; kid?: string } = { alg: 'ES256', kid: 'k1' }) =>
    new SignJWT({ ...CLAIMS, iss: OPTIONS.issuer, aud: OPTIONS.audience, exp: NOW / 1000 + 600, ...claims })
      .setProtectedHeader(header)
      .sign(header.alg === 'HS256' ? new TextEncoder().encode('a shared secret of thirty-two bytes!') : privateKey);

  test('name the actor and the highest role in this workspace', async () => {
    expect(await oidc.identify(await sign(), NOW)).toEqual({
      ...{ actor: 'ana@example.org', role: 'approver', workspace: 'fraud', by: 'token', keyId: null },
      expiresAt: NOW + 5 * 60_000,
    });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'another issuer',
      { iss: 'https://issuer.example.org/' },
      /of "https:\/\/issuer\.example\.org\/" .*is https:\/\/issuer\.example\.org \(MILLRACE_OIDC_ISSUER/,
    ],
    ['no issuer', { iss: undefined }, /missing.*iss|of nobody/],
    ['the name of the platform itself', { email: 'millrace' }, /platform itself/],
    ['another audience', { aud: ['a', 'b'] }, /is for \["a","b"\] .*is millrace \(MILLRACE_OIDC_AUDIENCE\)/],
    ['an old token', { exp: NOW / 1000 - 60 }, /expired at 20\d\d-.* \(the clock here says 20\d\d-.*\); ask the issuer/],
    ['a token of a clock that is ahead', { nbf: NOW / 1000 + 90 }, /holds from 20\d\d-.*the clock here says/],
    ['a token without an end', { exp: undefined }, /exp/],
    ['a token without an actor', { email: undefined }, /email \(MILLRACE_OIDC_ACTOR_CLAIM\)/],
    [
      'a token without a role here',
      { realm_access: { roles: ['ads:admin'] } },
      /no role in workspace fraud: .*realm_access\.roles \(MILLRACE_OIDC_ROLES_CLAIM\) is \["ads:admin"\]; .*viewer, editor.*fraud:viewer/,
    ],
    ['a token without roles', { realm_access: undefined }, /no role .*is not there/],
  ])('refuses %s', async (_what, claims, message) => {
    await expect(oidc.identify(await sign(claims), NOW)).rejects.toMatchObject({
      name: 'TokenRefused',
      message: expect.stringMatching(message),
    });
  });

  test('refuses a forged signature, a shared secret, and no signature at all', async () => {
    const token = await sign();
    const forged = `${token.slice(0, -4)}${token.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`;
    for (const bad of [forged, await sign({}, { alg: 'HS256', kid: 'k1' }), await sign({}, { alg: 'ES256', kid: 'k2' }), none, 'a.b.c']) {
      await expect(oidc.identify(bad, NOW)).rejects.toMatchObject({ name: 'TokenRefused' });
    }
    await expect(oidc.identify(forged, NOW)).rejects.toThrow(/signature is not of the key.*issuer\.example\.org\/keys/);
  });

  test('an issuer that cannot be reached is not the sender’s fault', async () => {
    const away = new Oidc({ ...OPTIONS, jwksUrl: 'http://127.0.0.1:9/keys' });
    await expect(away.identify(await sign(), NOW)).rejects.toMatchObject({
      code: 'MR_ACCESS_ISSUER_UNREACHABLE',
      retryable: true,
      message: expect.stringMatching(/from http:\/\/127\.0\.0\.1:9\/keys \(MILLRACE_OIDC_JWKS_URL\): .*(ECONNREFUSED|bad port)/),
    });
  });

  test('a key that the issuer does not publish is told by where its keys are', async () => {
    await expect(oidc.identify(await sign({}, { alg: 'ES256', kid: 'k2' }), NOW)).rejects.toThrow(
      /not among those.*issuer\.example\.org\/keys/,
    );
  });

  test('roles are read from lists and from text; what is none is passed over', () => {
    expect(roleIn('viewer fraud:editor', 'fraud')).toBe('editor');
    expect(roleIn(['*:admin'], 'fraud')).toBe('admin');
    expect(roleIn(['administrator', 7, null, 'ads:admin'], 'fraud')).toBeUndefined();
    expect(roleIn({ admin: true }, 'fraud')).toBeUndefined();
  });
});
