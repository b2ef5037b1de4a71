import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const FORM = 'v1';

/** Encrypts what the log must not show in the clear: AES-256-GCM under a key that is not on the log. */
export class SecretBox {
  readonly #key: Buffer;

  /** `key` is any text of enough randomness; processes that share a log share it. */
  constructor(key: string) {
    this.#key = createHash('sha256').update(`millrace webhooks\0${key}`).digest();
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
