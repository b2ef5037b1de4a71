import { tempDir } from '@millrace/testing';
import { describe, expect, test } from '@jest/globals';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openSecretBox, SecretBox } from './secret-box.js';

describe('a secret box', () => {
  test('opens what it sealed, and nothing that another key or purpose sealed or that is damaged', () => {
    const box = new SecretBox('webhooks', 'k'.repeat(32));
    const sealed = box.seal('größe');
    expect(sealed).not.toBe(box.seal('größe'));
    expect(box.open(sealed)).toBe('größe');
    expect(new SecretBox('webhooks', 'l'.repeat(32)).open(sealed)).toBeUndefined();
    expect(new SecretBox('gateway', 'k'.repeat(32)).open(sealed)).toBeUndefined();
    expect(box.open(`${sealed.slice(0, -2)}AA`)).toBeUndefined();
    expect(box.open('plain')).toBeUndefined();
  });

  test('makes a key of its own where one process has the log to itself, and none beside Kafka', async () => {
    const directory = await tempDir('secret-box');
    const alone = { dataDir: directory.path, kafkaBrokers: undefined };
    const options = { purpose: 'gateway', key: undefined, file: 'gateway.key' };
    const sealed = (await openSecretBox(alone, options))?.seal('x') ?? '';
    expect((await openSecretBox(alone, options))?.open(sealed)).toBe('x');
    expect((await stat(join(directory.path, 'gateway.key'))).mode & 0o777).toBe(0o600);
    expect(await openSecretBox({ ...alone, kafkaBrokers: ['broker:9092'] }, options)).toBeUndefined();
    await directory.remove();
  });
});
