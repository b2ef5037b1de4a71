// Writes docs/reference/feast-compatibility.md from conformance/feast: the endpoints and what is said of them (notes.json), and where our answers
// differ from those of Feast's own server (differences.json, which the differential suite there holds to what both answer).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments, writeGenerated } from './generated-file.mjs';
import { code, inline, table } from './markdown.mjs';
import { root } from './setup.mjs';

const COMMAND = 'node tools/feast-compatibility.mjs';
const VERSION = '0.66.0';
const data = (name) => JSON.parse(readFileSync(join(root, 'conformance', 'feast', name), 'utf8'));

const { check, folder } = readArguments();
const { endpoints, notOffered, general } = data('notes.json');
const differences = data('differences.json');
const asked = data('questions.json').length;

function section(mode) {
  const rows = differences[mode].map(({ ask, feast, millrace, reason }) => [inline(ask), code(feast), code(millrace), inline(reason)]);
  return `${asked} questions, ${rows.length} answers that differ.\n\n${table(['question', 'Feast', 'Millrace', 'why'], rows)}`;
}

const page = `<!-- Written by ${COMMAND}; do not edit. -->

# Feast's HTTP contract

What a client of Feast's feature server needs, by the contract of Feast ${VERSION}. How to point Feast's own client here: [Use Millrace from Feast](../how-to/use-from-feast.md).

## Endpoints

${table(
  ['endpoint', 'what it does here'],
  Object.entries(endpoints).map(([endpoint, what]) => [code(endpoint), what]),
)}

Not offered:

${table(
  ['endpoint', 'why'],
  Object.entries(notOffered).map(([endpoint, why]) => [endpoint, why]),
)}

## Statuses

| status | value | event time | when |
| --- | --- | --- | --- |
| \`PRESENT\` | the value | of the newest event it rests on | |
| \`NULL_VALUE\` | null | of that event | the entity is known; the newest event has no value, or the window has none |
| \`NOT_FOUND\` | null | 1970 | no event of the entity at or before the time asked for |
| \`OUTSIDE_MAX_AGE\` | null | 1970 | the latest value is older than the view's \`ttl\` |
| \`INVALID\` | null | 1970 | the time asked for is so far back that the online store no longer holds it; a training set does |

Feast's own server tells \`PRESENT\` and \`NOT_FOUND\` only: a null is \`PRESENT\`, and so is a value past its ttl, with the value.

## Errors

An error is a JSON text that holds JSON, \`{"module": "feast.errors", "class": ..., "message": ...}\`, from which Feast's client makes an exception of that class; where Feast has no
class for it, the text is the message alone. A body that is not of the request's shape is answered with 422 and FastAPI's \`detail\`.

## \`compat\`

\`?compat=strict\` of a request, or \`MILLRACE_FEATURES_FEAST_STRICT=true\` for all that do not say \`?compat=mended\`, makes the answers those of Feast's own server: statuses as told above, values
of any age, 500 for a caller's mistake, no \`metadata.positions\`.

## Where answers differ

The suite \`conformance/feast\` asks \`feast serve\` ${VERSION} on its SQLite store and Millrace the same questions, one after the other, and fails when they differ other than here.

${general.map((line) => `- ${line}`).join('\n')}

### As a rule

${section('mended')}

### With \`compat=strict\`

${section('strict')}
`;
await writeGenerated(join(folder, 'docs', 'reference', 'feast-compatibility.md'), page, { check, folder, command: COMMAND });
