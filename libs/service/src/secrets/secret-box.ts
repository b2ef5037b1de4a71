import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.js';

const FORM = 'v1';

/** Encrypts what the log must not show in the clear: AES-256-GCM under a key that is not on the log. */
export class SecretBox {
  readonly #key: Buffer;

  /** `key` is any text of enough randomness; processes that share a log share it. What is sealed for one purpose opens for no other. */
  constructor(purpose: string, key: string) {
    this.#key = createHash('sha256').update(`millrace ${purpose}\0${key}`).digest();
  }

  seal(text: string): string {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return [FORM, ...[iv, cipher.getAuthTag(), sealed].map((part) => part.toString('base64url'))].join('.');
  }

  /** `undefined` when it was sealed under another key, or is damaged. */
  open(sealed: string): string | undefined {
    const [form, iv, tag, body] = sealed.split('.');
    if (form !== FORM || iv === undefined || tag === undefined || body === undefined) return undefined;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, Buffer.from(iv, 'base64url'));
      decipher.setAuthTag(Buffer.from(tag, 'base64url'));
      return Buffer.concat([decipher.update(Buffer.from(body, 'base64url')), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}

/**
 * The box of the key that is configured, or on one machine of a key of its own, which is made in `file` of the data directory.
 * `undefined`: several processes share the log, so the key has to be configured, and it is not.
 */
export async function openSecretBox(
  config: Pick<Config, 'dataDir' | 'kafkaBrokers'>,
  { purpose, key, file }: { readonly purpose: string; readonly key: string | undefined; readonly file: string },
): Promise<SecretBox | undefined> {
  if (key !== undefined) return new SecretBox(purpose, key);
  if (config.kafkaBrokers !== undefined) return undefined;
  const path = join(config.dataDir, file);
  const made = randomBytes(32).toString('base64url');
  await writeFile(path, made, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return new SecretBox(purpose, await readFile(path, 'utf8'));
}
