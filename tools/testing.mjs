// Gives the tools the engines of `@millrace/testing` straight from their sources: Node strips the types itself, so engines start
// without a build (and without a build running into another one). All that is missing is that relative imports end in `.js`
// for a `.ts` file. Those sources keep to syntax that can be stripped: no parameter properties, no enums.
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './setup.mjs';

const SOURCES = pathToFileURL(join(root, 'libs/testing/src/')).href;

const hooks = registerHooks({
  resolve(specifier, context, nextResolve) {
    const isSource = specifier.startsWith('.') && context.parentURL?.startsWith(SOURCES);
    return nextResolve(isSource ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
export const { enginesAsked, startEngines } = await import(`${SOURCES}engines/engines.ts`);
export const { isAlive } = await import(`${SOURCES}cached-directory.ts`);
export const { waitFor } = await import(`${SOURCES}wait-for.ts`);
hooks.deregister();
