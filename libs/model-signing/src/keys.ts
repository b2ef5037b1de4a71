import { Fault } from '@millrace/kernel';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** The kinds of keys that sign and verify. `model_signing` verifies the EC ones; Ed25519 is for verifiers that can, as ours. */
export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'ed25519';

export interface PublicSigningKey {
  /** SHA-256 of the public key's PEM in hex: what the bundle calls the key's hint. */
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo. */
  readonly pem: string;
  readonly key: KeyObject;
}

export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly public: PublicSigningKey;
}

const CURVES: Readonly<Record<string, KeyAlgorithm>> = { prime256v1: 'ecdsa-p256', secp384r1: 'ecdsa-p384', secp521r1: 'ecdsa-p521' };

/** The digest an algorithm signs over; Ed25519 takes the message as it is. */
export function digestOf(algorithm: KeyAlgorithm): string | null {
  return { 'ecdsa-p256': 'sha256', 'ecdsa-p384': 'sha384', 'ecdsa-p521': 'sha512', ed25519: null }[algorithm];
}

/** Reads a private key's PEM. `where` names it in the error: the text itself is never told. */
export function readSigningKey(pem: string, where: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw unusable(where, 'is not the PEM of a private key without a password', error);
  }
  return { privateKey, public: describe(createPublicKey(privateKey), where) };
}

/** Reads the PEM of one public key or several, one after the other. A private key's counts for its public half. */
export function readPublicKeys(pem: string, where: string): PublicSigningKey[] {
  const blocks = pem.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g) ?? [];
  if (blocks.length === 0) throw unusable(where, 'holds no PEM');
  return blocks.map((block) => {
    try {
      return describe(createPublicKey(block), where);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'MR_SIGNING_KEY') throw error;
      throw unusable(where, 'is not the PEM of a public key', error);
    }
  });
}

/** The PEM (PKCS #8) of a new P-256 key: the kind that every verifier of the format takes. */
export function generateSigningKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function describe(key: KeyObject, where: string): PublicSigningKey {
  const algorithm = algorithmOf(key);
  if (!algorithm) {
    throw unusable(where, `is a key of type ${key.asymmetricKeyType ?? 'unknown'}; keys that sign are EC (P-256, P-384, P-521) or Ed25519`);
  }
  const pem = key.export({ type: 'spki', format: 'pem' }) as string;
  return { keyId: createHash('sha256').update(pem).digest('hex'), algorithm, pem, key };
}

function algorithmOf(key: KeyObject): KeyAlgorithm | undefined {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  return key.asymmetricKeyType === 'ec' ? CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
}

function unusable(where: string, what: string, cause?: unknown): Fault {
  return new Fault('MR_SIGNING_KEY', `${where} ${what}`, false, { cause });
}
