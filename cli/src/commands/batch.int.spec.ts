import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../cli-error.js';
import { checkTarget } from './batch.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batch-to-'));
});
afterAll(() => rm(folder, { recursive: true }));

const refusal = (to: string) => ({ exitCode: EXIT.usage, message: expect.stringContaining(`--to ${to} cannot be written: `) });

test('a folder is no place for the output of a job, and neither is one that is not there', async () => {
  for (const to of ['.', folder, join(folder, 'new/')]) await expect(checkTarget({ to })).rejects.toMatchObject(refusal(to));
  const nowhere = join(folder, 'absent', 'out.parquet');
  await expect(checkTarget({ to: nowhere })).rejects.toMatchObject(refusal(nowhere));
});

test('a new file, a file that is there, and a device are', async () => {
  const there = join(folder, 'there.parquet');
  await writeFile(there, '');
  for (const to of [join(folder, 'new.parquet'), there, '/dev/null']) await expect(checkTarget({ to })).resolves.toBeUndefined();
});
