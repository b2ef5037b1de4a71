// docs/reference/resources.md: every kind of resource, with an example of each.
import { parseAllDocuments } from 'yaml';
import { KINDS } from '../../libs/resources/src/resource.ts';
import { code, inline, table } from '../markdown.mjs';
import { fieldsOf } from './schema-fields.mjs';

const INTRO = `# Resources

Generated from \`schemas/resources/\` by \`node tools/contracts/reference.mjs\`.

A resource is what people define. It is written as YAML or JSON and applied with \`millrace apply -f <file or folder>\` or
\`POST /api/v1/apply\`. Applying the same text twice changes nothing. Every change of the spec makes a new version; old versions stay readable.
\`millrace diff -f <file or folder>\` says what an apply would change. [The command line](cli.md) says more.

All kinds share the outer shape:`;

const OUTER = [
  ['apiVersion', 'yes', 'Always `millrace.dev/v1`.'],
  ['kind', 'yes', `One of ${KINDS.map(code).join(', ')}.`],
  ['metadata.name', 'yes', '1 to 100 letters, digits, `-` and `_`, beginning with a letter. Unique within the kind.'],
  ['metadata.description', 'no', 'What it is, for people. A change makes no new version.'],
  ['metadata.labels', 'no', 'A map of strings. A change makes no new version.'],
  ['spec', 'yes', 'What the kind asks for, below. A field that the kind does not know is refused.'],
  [
    'status',
    'no',
    'What `millrace get -o json` shows beside: how the resource stands. It is passed over, so that what was read can be applied.',
  ],
];

const REST = `One request may hold several documents, in any order. One may name what another defines. All are checked before the first is applied:
their fields, the names that must exist, the columns that must fit, also for the views that rest on them already. When anything is wrong, nothing is applied, and the answer lists
every mistake with the field it is in.

In the tables, a _list_ is an array and a _map_ is an object whose keys are not fixed. \`features[].name\` is the field \`name\` of each entry of the list
\`features\`. A duration is a number with a unit: \`500ms\`, \`30s\`, \`5m\`, \`6h\`, \`7d\`.`;

/** `yamls`: the texts in which examples are looked for, the first one wins. */
export function resourcesPage(kinds, yamls) {
  const order = ({ kind }) => (KINDS.includes(kind) ? KINDS.indexOf(kind) : KINDS.length);
  const sorted = [...kinds].sort((a, b) => order(a) - order(b));
  const outer = table(
    ['field', 'required', 'meaning'],
    OUTER.map(([field, required, meaning]) => [code(field), required, inline(meaning)]),
  );
  return `${[INTRO, outer, REST, ...sorted.flatMap((kind) => kindPart(kind, exampleOf(kind.kind, yamls)))].join('\n\n')}\n`;
}

function kindPart({ kind, schema }, example) {
  const rows = fieldsOf(schema).map(({ path, type, isRequired, fallback, meaning }) => [
    code(path),
    type,
    isRequired ? 'yes' : 'no',
    fallback === undefined ? '' : code(fallback),
    inline(meaning),
  ]);
  return [
    `## ${kind}`,
    inline(schema.description ?? ''),
    `The fields of \`spec\` ([schema](../../schemas/resources/${kind}.json)):`,
    table(['field', 'type', 'required', 'default', 'meaning'], rows),
    ...(example === undefined ? [] : [`For example:\n\n\`\`\`yaml\n${example}\n\`\`\``]),
  ];
}

/** The first document of the kind, as it is written, without the comments above it. */
function exampleOf(kind, yamls) {
  for (const text of yamls) {
    const document = parseAllDocuments(text).find((one) => one.get('kind') === kind);
    if (document) return text.slice(document.contents.range[0], document.contents.range[1]).trim();
  }
  return undefined;
}
