import { access, constants, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CliError, EXIT } from '../cli-error.js';

/** What commands call the interpreter. */
const NAMES = ['python', 'python3'];

/** A program that can be run, or wrong usage: without it the command would find some other Python on the path. */
export async function checkPython(file: string): Promise<void> {
  const isProgram = await Promise.all([access(file, constants.X_OK), stat(file)]).then(
    ([, found]) => found.isFile(),
    () => false,
  );
  if (!isProgram)
    throw new CliError(`--python ${file} is no program that can be run; name an interpreter, such as .venv/bin/python`, EXIT.usage);
}

/**
 * The folders of programs that an interpreter stands for, first to last: one made here in which `python` is the interpreter that was given, whatever it is
 * called (it runs from where it is, which keeps its environment), and the interpreter's own with what was installed beside it, such as `mlflow`.
 */
export async function givenPython(file: string, folder: string): Promise<string[]> {
  const bin = join(folder, 'given-python');
  await mkdir(bin, { recursive: true });
  const quoted = `'${file.replaceAll("'", `'\\''`)}'`;
  for (const name of NAMES) await writeFile(join(bin, name), `#!/bin/sh\nexec ${quoted} "$@"\n`, { mode: 0o755 });
  return [bin, dirname(file)];
}
