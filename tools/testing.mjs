// Gives the tools `@millrace/testing` straight from its sources: Node strips the types itself, so engines start without a build
// (and without a build running into another one). All that is missing is that relative imports end in `.js` for a `.ts` file.
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
export const testing = await import(`${SOURCES}index.ts`);
hooks.deregister();
