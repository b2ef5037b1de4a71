// Writes docs/reference/configuration.md from the schemas of the built services. `npm run build` first; a test holds the page against them.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './setup.mjs';

const { configurationReference } = await import('../libs/service/dist/index.js');
const { platformConfig } = await import('../services/platform/dist/config.js');

const directory = join(root, 'docs', 'reference');
await mkdir(directory, { recursive: true });
await writeFile(join(directory, 'configuration.md'), configurationReference(platformConfig));
