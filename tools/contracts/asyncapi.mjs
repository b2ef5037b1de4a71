// Writes schemas/asyncapi.yaml: the topics of the manifest and the events of schemas/ as an AsyncAPI 3.0 document.
//   node tools/contracts/asyncapi.mjs [--check] [folder that holds schemas/]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readArguments, writeGenerated } from '../generated-file.mjs';
import { asyncApiDocument } from './asyncapi-document.mjs';
import { readEvents, root } from './schemas.mjs';

const command = 'node tools/contracts/asyncapi.mjs';
const { check, folder } = readArguments();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const document = asyncApiDocument(readEvents(join(folder, 'schemas')), version);
const text = `# Generated from schemas/ and libs/contracts/src/topics.ts by ${command}.\n${stringify(document, { lineWidth: 120, singleQuote: true, blockQuote: 'literal', aliasDuplicateObjects: false })}`;
await writeGenerated(join(folder, 'schemas', 'asyncapi.yaml'), text, { check, folder, command });
