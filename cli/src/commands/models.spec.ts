import { expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RefusedError, type MillraceClient } from '../client.js';
// eslint-disable-next-line @nx/enforce-module-boundaries -- only tests make folders
import { tempDir } from '@millrace/testing';
import type { Io } from '../io.js';
import { audit, check, type CheckOptions } from './models.js';

/** Checks version 4 of `delay` against a server that gives `answer` to everything. */
async function checks(options: Partial<CheckOptions>, answer: object = {}): Promise<{ passed: boolean; out: string; asked: string[] }> {
  const asked: string[] = [];
  let out = '';
  const client = {
    json: async (method: string, path: string) => {
      asked.push(`${method} ${path}`);
      return answer;
    },
  } as unknown as MillraceClient;
  const io = { out: (text: string) => void (out += text) } as Io;
  return { passed: await check(client, io, 'delay', '4', { tolerance: '0', ...options }), out, asked };
}

test('--evaluate has the registry look again, and tells what it found for each policy', async () => {
  const found = { check: 'licence', detail: 'MIT', source: 'evaluated' };
  const results = [
    { ...found, policy: 'any', passed: true },
    { ...found, policy: 'open', passed: false },
    { check: 'validation', detail: '', source: 'reported', passed: false },
  ];
  expect(await checks({ evaluate: true }, { checks: results })).toEqual({
    passed: false,
    out: 'delay version 4: check licence of policy any passed, MIT\ndelay version 4: check licence of policy open failed, MIT\n',
    asked: ['POST /api/v1/models/delay/versions/4/checks/evaluate'],
  });
  expect(await checks({ evaluate: true }, { checks: [results[0], results[2]] })).toMatchObject({ passed: true });
});

test('a check is told in one way', async () => {
  for (const options of [{}, { passed: true, failed: true }, { evaluate: true, passed: true }, { evaluate: true, check: 'licence' }]) {
    await expect(checks(options)).rejects.toThrow(/--evaluate/);
  }
});

test('golden rows that expect nothing are no check', async () => {
  const directory = await tempDir('golden');
  try {
    for (const text of ['', '{"inputs": [], "outputs": [{"name": "y", "data": []}]}\n']) {
      await writeFile(join(directory.path, 'golden.jsonl'), text);
      await expect(checks({ golden: join(directory.path, 'golden.jsonl') })).rejects.toThrow('expects no value');
    }
  } finally {
    await directory.remove();
  }
});

test('what the audit trail refuses is told by the option that asked for it', async () => {
  const client = {
    call: () => Promise.reject(new RefusedError({ status: 400, detail: 'from "x" is not a time; give RFC 3339' })),
  } as unknown as MillraceClient;
  await expect(audit(client, {} as Io, { since: 'x' })).rejects.toThrow('--since "x" is not a time; give RFC 3339');
});
