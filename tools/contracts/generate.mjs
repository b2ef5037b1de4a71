// Generates libs/contracts/src/generated from schemas/: TypeScript types and stand-alone validators. Not kept in git; made before
// every build, and again only when a schema or this folder has changed.
//   node tools/contracts/generate.mjs [--when-installed]
// --when-installed: for npm's `prepare`; does nothing where the development dependencies are left out.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { problemsOf, readEvents, readKinds, root, schemasRoot, visit } from './schemas.mjs';

const target = join(root, 'libs', 'contracts', 'src', 'generated');
const STAMP = '.inputs';
const HEADER = '// Generated from schemas/ by tools/contracts/generate.mjs; not kept in git.\n';

if (process.argv.includes('--when-installed') && !existsSync(join(root, 'node_modules', 'json-schema-to-typescript'))) process.exit(0);

const inputs = hashOf([schemasRoot, import.meta.dirname]);
const stamp = join(target, STAMP);
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) process.exit(0);

const events = readEvents();
const kinds = readKinds();
const problems = problemsOf(events);
if (problems.length > 0) {
  console.error(`schemas/ cannot be generated from:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  process.exit(1);
}

const files = new Map([
  ...(await types()),
  ['event-validators.ts', await eventValidators()],
  ['kind-validators.ts', await kindValidators()],
]);
files.set('catalog.ts', catalog());
for (const [name, text] of files) write(join(target, name), text);
for (const file of readdirSync(target, { recursive: true, withFileTypes: true })) {
  const name = relative(target, join(file.parentPath, file.name));
  if (file.isFile() && name !== STAMP && !files.has(name)) rmSync(join(target, name));
}
write(stamp, inputs);

/** One file per event version, and a barrel per domain: `RunCreatedV1`, and the newest version of each plainly. What was read is not changed: the types say so. */
async function types() {
  const { compile } = await import('json-schema-to-typescript');
  const options = {
    bannerComment: HEADER,
    additionalProperties: false,
    format: false,
    ignoreMinAndMaxItems: true,
    $refOptions: { resolve: { external: false } },
  };
  const made = new Map();
  const barrels = new Map();
  const barrel = (name) => {
    if (!barrels.has(name)) barrels.set(name, [`import type { Immutable } from '../../immutable.js';`]);
    return barrels.get(name);
  };
  for (const { domain, type, version, schema } of events) {
    made.set(`types/${domain}/${type}.v${version}.ts`, await compile(structuredClone(schema), type, options));
    const lines = barrel(domain);
    lines.push(`import type { ${type} as ${type}V${version}Data } from './${domain}/${type}.v${version}.js';`);
    lines.push(`export type ${type}V${version} = Immutable<${type}V${version}Data>;`);
    const newest = !events.some((event) => event.domain === domain && event.type === type && event.version > version);
    if (newest) lines.push(`export type ${type} = ${type}V${version};`);
  }
  for (const { kind, schema } of kinds) {
    made.set(`types/kinds/${kind}.ts`, await compile({ ...structuredClone(schema), title: `${kind}Data` }, `${kind}Data`, options));
    barrel('kinds').push(`import type { ${kind}Data } from './kinds/${kind}.js';`, `export type ${kind}Spec = Immutable<${kind}Data>;`);
  }
  for (const [name, lines] of barrels) made.set(`types/${name}.ts`, `${HEADER}${lines.join('\n')}\n`);
  return made;
}

/**
 * A reader of an event takes properties it does not know: in a rolling upgrade the writer may be newer by one optional property.
 * So the validators are made from the schemas with every closed object opened; what a writer may write is the closed schema,
 * against which the golden samples are checked.
 */
async function eventValidators() {
  const entries = events.map(({ key, schema }) => {
    const open = structuredClone(schema);
    visit(open, '', (part) => {
      if (part.additionalProperties === false) delete part.additionalProperties;
    });
    return [key, open];
  });
  return validators(entries, { allErrors: false });
}

/** What people write is checked closed, and told all at once. */
async function kindValidators() {
  return validators(
    kinds.map(({ kind, schema }) => [kind, schema]),
    { allErrors: true, verbose: true },
  );
}

async function validators(entries, options) {
  const { Ajv } = await import('ajv');
  const { default: standalone } = await import('ajv/dist/standalone/index.js');
  const { default: formats } = await import('ajv-formats');
  const ajv = new Ajv({ ...options, strict: true, allowUnionTypes: true, code: { source: true, esm: true } });
  ajv.addVocabulary(['x-order', 'x-see']);
  formats.default(ajv);
  const names = {};
  entries.forEach(([key, schema], index) => {
    const id = `urn:millrace:${key}`;
    const { $schema: _dialect, $id: _id, ...rest } = schema;
    ajv.addSchema(rest, id);
    names[`v${index}`] = id;
  });
  const code = entries.length === 0 ? '' : standalone.default(ajv, names);
  const table = entries.map(([key], index) => `  ${JSON.stringify(key)}: v${index} as unknown as Validator,`).join('\n');
  // The code is JavaScript of known shape; only the table at its end is typed.
  return `// @ts-nocheck\n${HEADER}import type { Validator } from '../validator.js';\n${asModule(code)}\nexport const validators: Readonly<Record<string, Validator>> = {\n${table}\n};\n`;
}

/** Ajv's stand-alone code asks for its run time with `require` even when it is to be a module. */
function asModule(code) {
  const imports = new Map();
  const body = code
    .replace(/^"use strict";/, '')
    .replace(/export const (v\d+) = (\w+);/g, 'const $1 = $2;')
    .replace(/require\("([^"]+)"\)/g, (_, path) => {
      const name = imports.get(path) ?? `runtime${imports.size}`;
      imports.set(path, name);
      return name;
    });
  const lines = [...imports].map(([path, name]) => `import ${name} from '${path}.js';`);
  return `${lines.join('\n')}\n${body}`;
}

function catalog() {
  const rows = events.map(({ domain, type, version }) => `  { domain: '${domain}', name: '${type}', version: ${version} },`);
  const specs = Object.fromEntries(kinds.map(({ kind, schema }) => [kind, schema]));
  return `${HEADER}/** Every event type and version there is a schema of. */
export const EVENTS: readonly { readonly domain: string; readonly name: string; readonly version: number }[] = [
${rows.join('\n')}
];

/** The schema of each resource kind's spec. */
export const KIND_SCHEMAS: Readonly<Record<string, object>> = ${JSON.stringify(specs)};
`;
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const base of paths) {
    for (const entry of readdirSync(base, { recursive: true, withFileTypes: true }).sort((a, b) =>
      join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1,
    )) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && /\.(json|mjs)$/.test(file))
        hash
          .update(`${relative(root, file)}\0`)
          .update(readFileSync(file))
          .update('\0');
    }
  }
  return hash.digest('hex');
}

/** Whole or not at all: a test or a build may be reading. */
function write(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}
