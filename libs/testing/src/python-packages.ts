import { join } from 'node:path';
import { cachedDirectory } from './cached-directory.js';
import { repositoryRoot, runCommand } from './toolchain.js';

const UV_VERSION = '0.13.9';

/**
 * Makes a virtual environment with exactly these requirements. uv does it in seconds where pip takes minutes, and environments
 * share their files; pip does it where uv cannot (a platform without it, an index only pip is told of).
 */
export async function makeVenv(target: string, requirements: readonly string[]): Promise<void> {
  try {
    const uv = await uvProgram();
    const env = await uvEnvironment();
    await runCommand(uv, ['venv', '--quiet', '--seed', '--clear', '--python', 'python3', target], { env });
    await runCommand(uv, ['pip', 'install', '--quiet', '--python', join(target, 'bin', 'python'), ...requirements], { env });
  } catch (error) {
    console.warn(`uv could not make ${target}, pip does: ${error instanceof Error ? error.message : String(error)}`);
    await runCommand('python3', ['-m', 'venv', '--clear', target]);
    await runCommand(join(target, 'bin', 'pip'), ['install', ...PIP, ...requirements]);
  }
}

const PIP = ['--quiet', '--disable-pip-version-check', '--no-input'];

async function uvProgram(): Promise<string> {
  const path = await cachedDirectory(join(repositoryRoot, '.venvs', `uv-${UV_VERSION}`), async (target) => {
    await runCommand('python3', ['-m', 'venv', target]);
    await runCommand(join(target, 'bin', 'pip'), ['install', ...PIP, `uv==${UV_VERSION}`]);
  });
  return join(path, 'bin', 'uv');
}

/** uv does not read pip's settings; where the packages come from and whom to trust is said there. */
async function uvEnvironment(): Promise<Record<string, string>> {
  const listed = await runCommand('python3', ['-m', 'pip', 'config', 'list']).catch(() => '');
  const setting = (name: string): string | undefined => new RegExp(`^(?::env:|global|install)\\.${name}='(.+)'$`, 'm').exec(listed)?.[1];
  const env: Record<string, string> = {
    UV_CACHE_DIR: join(repositoryRoot, '.venvs', '.uv-cache'),
    UV_PYTHON_DOWNLOADS: 'never',
    UV_HTTP_TIMEOUT: '180',
  };
  const told: Record<string, string | undefined> = {
    UV_DEFAULT_INDEX: setting('index-url'),
    UV_INDEX: setting('extra-index-url'),
    UV_FIND_LINKS: setting('find-links'),
    SSL_CERT_FILE: process.env['SSL_CERT_FILE'] ?? setting('cert'),
  };
  for (const [name, value] of Object.entries(told)) if (value !== undefined) env[name] = value;
  return env;
}
