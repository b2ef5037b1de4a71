import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { EXIT } from '../cli-error.js';
import { checkPython, givenPython } from './given-python.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'given-python-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('what is no program is wrong usage, before anything is done', async () => {
  const text = join(folder, 'text');
  await writeFile(text, 'no program');
  for (const file of [join(folder, 'absent'), text, folder])
    await expect(checkPython(file)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining(`--python ${file} is no program`),
    });
  await checkPython(process.execPath);
});

test('python and python3 are the interpreter that was given, whatever it is called', async () => {
  const beside = join(folder, "it's there");
  await mkdir(beside);
  // Any program does for this: what counts is which one is run.
  const interpreter = join(beside, 'python3.11');
  await symlink(process.execPath, interpreter);
  const bins = await givenPython(interpreter, folder);
  for (const name of ['python', 'python3']) {
    const { stdout } = await promisify(execFile)('sh', ['-c', `${name} -p '[process.argv0, process.argv[1]]' 'a b'`], {
      env: { PATH: [...bins, process.env['PATH'] ?? ''].join(delimiter) },
    });
    expect(stdout).toBe(`[ ${JSON.stringify(interpreter)}, 'a b' ]\n`);
  }
});

test('a program that was installed beside the interpreter is found before one of the same name elsewhere', async () => {
  const [venv, elsewhere] = [join(folder, 'venv'), join(folder, 'elsewhere')];
  for (const [place, word] of [
    [venv, 'beside'],
    [elsewhere, 'elsewhere'],
  ] as const) {
    await mkdir(place);
    await writeFile(join(place, 'mlflow'), `#!/bin/sh\necho ${word} "$@"\n`, { mode: 0o755 });
  }
  const interpreter = join(venv, 'python3.11');
  await symlink(process.execPath, interpreter);
  const bins = await givenPython(interpreter, folder);
  const PATH = [...bins, elsewhere, process.env['PATH'] ?? ''].join(delimiter);
  const { stdout } = await promisify(execFile)('sh', ['-c', 'mlflow run .'], { env: { PATH } });
  expect(stdout).toBe('beside run .\n');
});
