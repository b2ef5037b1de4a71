import { generateSigningKey, readPublicKeys, readSigningKey, type PublicSigningKey, type SigningKey } from '@millrace/model-signing';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config/config.js';
import { readNamedFile } from '../config/named-file.js';

type KeyConfig = Pick<Config, 'dataDir' | 'kafkaBrokers' | 'signingKey' | 'trustedKeys'>;

/**
 * The key this deployment signs model versions with: the configured one; an embedded process makes its own and keeps it in its data directory.
 * `undefined` where several processes share a log and none was given: a key that each made for itself would be of no use.
 */
export function signingKeyOf(config: KeyConfig): SigningKey | undefined {
  if (config.signingKey !== undefined) return readSigningKey(read(config.signingKey, 'MILLRACE_SIGNING_KEY'), 'MILLRACE_SIGNING_KEY');
  if (config.kafkaBrokers !== undefined) return undefined;
  const path = join(config.dataDir, 'keys', 'signing.pem');
  return readSigningKey(kept(path), path);
}

/** The keys whose signatures are believed: those configured, or that of {@link signingKeyOf}. */
export function trustedKeysOf(config: KeyConfig): readonly PublicSigningKey[] {
  if (config.trustedKeys === undefined) {
    const own = signingKeyOf(config);
    return own ? [own.public] : [];
  }
  return config.trustedKeys.flatMap((path) => readPublicKeys(read(path, 'MILLRACE_TRUSTED_KEYS'), `MILLRACE_TRUSTED_KEYS: ${path}`));
}

/** Makes the key's file where there is none. It appears whole, readable by its owner only, and a second maker finds the first one's. */
function kept(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, generateSigningKey(), { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, 'utf8');
}

function read(path: string, variable: string): string {
  return readNamedFile(path, variable).toString('utf8');
}
