import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cachedDirectory } from './cached-directory.js';
import { makeVenv } from './python-packages.js';
import { findCommand, need, repositoryRoot, runCommand } from './toolchain.js';

export interface Venv {
  readonly path: string;
  readonly python: string;
  /** Path of a program that the requirements brought. */
  bin(name: string): string;
}

/**
 * A Python environment with exactly these requirements (`name==version`), made once per list under `.venvs/` and then found
 * again. Changing a pin makes another one.
 */
export async function ensureVenv(name: string, requirements: readonly string[]): Promise<Venv> {
  const unpinned = requirements.filter((requirement) => !/==|^-|@ /.test(requirement));
  if (unpinned.length > 0) throw new Error(`requirements are pinned (name==version): ${unpinned.join(', ')} is not`);
  const digest = createHash('sha256')
    .update([...requirements].sort().join('\n'))
    .digest('hex')
    .slice(0, 12);
  const path = await cachedDirectory(join(repositoryRoot, '.venvs', `${name}-${digest}`), async (target) => {
    await need({ what: 'Python 3 with its venv module', isPresent: hasVenv, packages: ['python3-venv'] });
    await makeVenv(target, requirements);
  });
  return { path, python: join(path, 'bin', 'python'), bin: (program) => join(path, 'bin', program) };
}

async function hasVenv(): Promise<boolean> {
  if (!findCommand('python3')) return false;
  // Debian's python3 has `venv` but not the `ensurepip` it needs, until python3-venv is there.
  return runCommand('python3', ['-c', 'import venv, ensurepip']).then(
    () => true,
    () => false,
  );
}
