import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SOURCES = fileURLToPath(new URL('../../../../tools/run-sources.mjs', import.meta.url));

test('what a request holds dies young (ADR 0042)', async () => {
  const script = fileURLToPath(new URL('../testing/bytes-grown-old.ts', import.meta.url));
  // Unoptimized code keeps every object that is written down, so that a chain of them shows each time.
  const flags = ['--expose-gc', '--no-turbofan', '--conditions=source', '--import', SOURCES];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script]);
  // Some ten; with a closure or a Set for each request some two thousand.
  expect(Number(stdout)).toBeLessThan(200);
}, 60_000);
