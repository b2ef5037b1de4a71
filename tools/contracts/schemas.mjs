// Reads schemas/: events (<domain>/<EventType>/v<N>.json with v<N>.golden.jsonl beside it) and resource kinds (resources/<Kind>.json),
// and says what is wrong with how they are written. Everything else in this folder builds on it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
export const schemasRoot = join(root, 'schemas');

const DOMAIN = /^[a-z]+$/;
const EVENT_TYPE = /^[A-Z][A-Za-z0-9]*$/;
const VERSION_FILE = /^v([1-9]\d*)\.json$/;
const KIND_FILE = /^([A-Z][A-Za-z]*)\.json$/;
/** Folders of schemas/ that are no domain. */
const OTHER = new Set(['released']);

/** Every event schema, ordered by domain, type and version. */
export function readEvents(base = schemasRoot) {
  const events = [];
  for (const domain of folders(base)) {
    if (OTHER.has(domain) || !DOMAIN.test(domain)) continue;
    for (const type of folders(join(base, domain))) {
      if (!EVENT_TYPE.test(type)) continue;
      const folder = join(base, domain, type);
      for (const file of readdirSync(folder)) {
        const match = VERSION_FILE.exec(file);
        if (!match) continue;
        const version = Number(match[1]);
        const path = join(folder, file);
        const goldenPath = join(folder, `v${version}.golden.jsonl`);
        events.push({
          key: `${domain}.${type}.v${version}`,
          domain,
          type,
          version,
          path: relative(base, path),
          schema: JSON.parse(readFileSync(path, 'utf8')),
          golden: existsSync(goldenPath) ? readLines(goldenPath) : undefined,
        });
      }
    }
  }
  return events.sort((a, b) => compare(a.domain, b.domain) || compare(a.type, b.type) || a.version - b.version);
}

/** Every kind of resource: its name and the schema of its spec. */
export function readKinds(base = schemasRoot) {
  const folder = join(base, 'resources');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((file) => KIND_FILE.exec(file)?.[1] ?? [])
    .sort()
    .map((kind) => ({
      kind,
      path: join('resources', `${kind}.json`),
      schema: JSON.parse(readFileSync(join(folder, `${kind}.json`), 'utf8')),
    }));
}

/** Histories: the events of one subject in order, `{type, version, data}` a line, by domain and aggregate. */
export function readHistories(base = schemasRoot) {
  return folders(base).flatMap((domain) => {
    const folder = join(base, domain, 'histories');
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith('.jsonl'))
      .sort()
      .map((file) => ({ domain, name: file.slice(0, -'.jsonl'.length), events: readLines(join(folder, file)) }));
  });
}

/** What is wrong with how the schemas are written, all of it. */
export function problemsOf(events) {
  const problems = [];
  for (const { key, path, schema, golden, version, domain, type } of events) {
    if (typeof schema.title !== 'string' || schema.title !== type) problems.push(`${path}: title must be ${type}`);
    if (typeof schema.description !== 'string') problems.push(`${path}: description must say what the event means`);
    if (schema.type !== 'object') problems.push(`${path}: an event's data is an object`);
    visit(schema, '', (part, at) => {
      if (part.type === 'object' && part.additionalProperties === undefined) {
        problems.push(`${path}${at}: an object says what else it may hold: "additionalProperties": false, or the schema of a map's values`);
      }
    });
    if (!golden?.length) problems.push(`${path}: no sample in v${version}.golden.jsonl`);
    const previous = events.some((event) => event.domain === domain && event.type === type && event.version === version - 1);
    if (version > 1 && !previous) problems.push(`${path}: v${version - 1} of ${key} is missing; versions are kept for ever`);
  }
  return problems;
}

/** Calls `see(schema, path)` for a schema and every schema inside it. */
export function visit(schema, at, see) {
  if (typeof schema !== 'object' || schema === null) return;
  see(schema, at);
  for (const name of ['items', 'additionalProperties', 'not', 'propertyNames']) visit(schema[name], `${at}/${name}`, see);
  for (const name of ['properties', 'definitions']) {
    for (const [key, part] of Object.entries(schema[name] ?? {})) visit(part, `${at}/${name}/${key}`, see);
  }
  for (const name of ['anyOf', 'oneOf', 'allOf']) (schema[name] ?? []).forEach((part, index) => visit(part, `${at}/${name}/${index}`, see));
}

function folders(base) {
  if (!existsSync(base)) return [];
  return readdirSync(base, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? entry.name : []))
    .sort();
}

function readLines(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
