// Lets Node run the workspace's TypeScript as it stands, without a build: for processes that tests start.
// node --conditions=source --import <root>/tools/run-sources.mjs some.ts
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const configFile = join(import.meta.dirname, 'swc.json');
/** Tests start the same services again and again: what was transpiled once is found again by its text, its place, and whatever else it depends on. */
const cache = join(import.meta.dirname, '..', 'node_modules', '.cache', 'run-sources');
const everything = createHash('sha256').update(readFileSync(configFile)).update(require('@swc/core/package.json').version).digest('hex');

function transpile(file) {
  const text = readFileSync(file);
  const found = join(cache, `${createHash('sha256').update(`${everything}\n${file}\n`).update(text).digest('hex')}.js`);
  if (existsSync(found)) return readFileSync(found, 'utf8');
  const { code } = require('@swc/core').transformFileSync(file, { configFile, swcrc: false, sourceMaps: 'inline' });
  mkdirSync(cache, { recursive: true });
  // Whole or not at all: others start at the same time.
  writeFileSync(`${found}.${process.pid}`, code);
  renameSync(`${found}.${process.pid}`, found);
  return code;
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
      const source = specifier.replace(/\.js$/, '.ts');
      if (existsSync(new URL(source, context.parentURL))) return nextResolve(source, context);
    }
    return nextResolve(specifier, context);
  },
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
    return { format: 'module', shortCircuit: true, source: transpile(fileURLToPath(url)) };
  },
});
