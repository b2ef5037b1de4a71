// Writes docs/reference/events.md and docs/reference/resources.md from schemas/; the examples of resources are those of examples/flights.
//   node tools/contracts/reference.mjs [--check] [folder that holds schemas/, examples/ and docs/]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments, writeGenerated } from '../generated-file.mjs';
import { eventsPage } from './events-page.mjs';
import { resourcesPage } from './resources-page.mjs';
import { readEvents, readKinds } from './schemas.mjs';

const command = 'node tools/contracts/reference.mjs';
const { check, folder } = readArguments();
const schemas = join(folder, 'schemas');
const pages = new Map([
  ['events.md', eventsPage(readEvents(schemas))],
  ['resources.md', resourcesPage(readKinds(schemas), exampleTexts(join(folder, 'examples', 'flights')))],
]);
for (const [name, text] of pages) await writeGenerated(join(folder, 'docs', 'reference', name), text, { check, folder, command });

function exampleTexts(examples) {
  if (!existsSync(examples)) return [];
  return readdirSync(examples)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => readFileSync(join(examples, file), 'utf8'));
}
