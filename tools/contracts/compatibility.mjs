// Whether everything one JSON Schema accepts is accepted by another. Exact for the part of JSON Schema that schemas/ uses; what it
// cannot compare (a changed pattern, say) counts as incompatible, so an error is always on the safe side.
import { isDeepStrictEqual } from 'node:util';

const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
/** Keywords that say nothing about what is accepted. */
const ANNOTATIONS = new Set(['$schema', '$id', 'title', 'description', 'default', 'examples', 'definitions']);
/** Keywords of each type that may only stay as they were or go away. */
const SAME_OR_GONE = {
  string: ['pattern', 'format'],
  array: ['uniqueItems'],
  object: ['propertyNames'],
  number: ['multipleOf'],
};
/** Bounds: the newer may only be as low (`-`) or as high (`+`) as the older. */
const BOUNDS = {
  string: { minLength: '-', maxLength: '+' },
  array: { minItems: '-', maxItems: '+' },
  object: { minProperties: '-', maxProperties: '+' },
  number: { minimum: '-', exclusiveMinimum: '-', maximum: '+', exclusiveMaximum: '+' },
};

/** Every way in which `newer` refuses what `older` accepted; empty when there is none. */
export function narrowings(older, newer, at = '', roots = { older, newer }) {
  const old = normal(older, roots.older);
  const now = normal(newer, roots.newer);
  if (isDeepStrictEqual(old, now) || isOpen(now)) return [];
  if (now === false) return old === false ? [] : [`${at || '/'} is no longer allowed`];
  if (old === false) return [];
  const oldBranches = old.anyOf ?? old.oneOf;
  if (oldBranches) {
    const { anyOf: _any, oneOf: _one, ...beside } = old;
    return oldBranches.flatMap((branch) => narrowings({ ...beside, ...normal(branch, roots.older) }, newer, at, roots));
  }
  // Branches are taken not to overlap, which is what `oneOf` asks of them and how both are used here.
  const branches = now.anyOf ?? now.oneOf;
  if (branches) {
    const { anyOf: _any, oneOf: _one, ...beside } = now;
    const found = typesOf(old).map((type) => {
      const one = { ...old, type };
      const tries = branches.map((branch) => narrowings(one, { ...beside, ...normal(branch, roots.newer) }, at, roots));
      return tries.some((problems) => problems.length === 0) ? [] : [`${at || '/'}: no branch takes every ${type} it took`];
    });
    return found.flat();
  }
  return [
    ...typeNarrowings(old, now, at),
    ...valueNarrowings(old, now, at),
    ...keywordNarrowings(old, now, at),
    ...objectNarrowings(old, now, at, roots),
    ...arrayNarrowings(old, now, at, roots),
  ];
}

function typeNarrowings(old, now, at) {
  const taken = typesOf(now);
  return typesOf(old)
    .filter((type) => !taken.includes(type) && !(type === 'integer' && taken.includes('number')))
    .map((type) => `${at || '/'}: ${type} is no longer taken`);
}

function valueNarrowings(old, now, at) {
  const taken = valuesOf(now);
  if (!taken) return [];
  const given = valuesOf(old);
  if (!given) return [`${at || '/'}: only ${JSON.stringify(taken)} is taken now`];
  return given
    .filter((value) => !taken.some((other) => isDeepStrictEqual(value, other)))
    .map((value) => `${at || '/'}: ${JSON.stringify(value)} is no longer taken`);
}

function keywordNarrowings(old, now, at) {
  const problems = [];
  const types = new Set(typesOf(old).map((type) => (type === 'integer' ? 'number' : type)));
  for (const type of types) {
    for (const keyword of SAME_OR_GONE[type] ?? []) {
      if (now[keyword] !== undefined && now[keyword] !== false && !isDeepStrictEqual(now[keyword], old[keyword])) {
        problems.push(`${at || '/'}: ${keyword} has changed or is new`);
      }
    }
    for (const [keyword, direction] of Object.entries(BOUNDS[type] ?? {})) {
      if (now[keyword] === undefined) continue;
      const fits = old[keyword] !== undefined && (direction === '-' ? now[keyword] <= old[keyword] : now[keyword] >= old[keyword]);
      if (!fits) problems.push(`${at || '/'}: ${keyword} is narrower`);
    }
  }
  const known = new Set(['type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items', ...ANNOTATIONS]);
  for (const group of Object.values(SAME_OR_GONE)) group.forEach((keyword) => known.add(keyword));
  for (const group of Object.values(BOUNDS)) Object.keys(group).forEach((keyword) => known.add(keyword));
  for (const keyword of Object.keys(now)) {
    if (!known.has(keyword) && !isDeepStrictEqual(now[keyword], old[keyword])) problems.push(`${at || '/'}: ${keyword} cannot be compared`);
  }
  return problems;
}

function objectNarrowings(old, now, at, roots) {
  if (!typesOf(old).includes('object') || !typesOf(now).includes('object')) return [];
  const problems = (now.required ?? [])
    .filter((name) => !(old.required ?? []).includes(name))
    .map((name) => `${at}/${name} is required now`);
  const oldRest = old.additionalProperties ?? true;
  const nowRest = now.additionalProperties ?? true;
  for (const [name, schema] of Object.entries(old.properties ?? {})) {
    problems.push(...narrowings(schema, now.properties?.[name] ?? nowRest, `${at}/${name}`, roots));
  }
  for (const [name, schema] of Object.entries(now.properties ?? {})) {
    if (old.properties?.[name] === undefined) problems.push(...narrowings(oldRest, schema, `${at}/${name}`, roots));
  }
  return [...problems, ...narrowings(oldRest, nowRest, `${at}/*`, roots)];
}

function arrayNarrowings(old, now, at, roots) {
  if (!typesOf(old).includes('array') || !typesOf(now).includes('array')) return [];
  return narrowings(old.items ?? true, now.items ?? true, `${at}[]`, roots);
}

/** A schema without its references and words; `{}` for `true`. */
function normal(schema, root) {
  if (typeof schema === 'boolean') return schema ? {} : false;
  let found = schema;
  for (let hops = 0; found.$ref !== undefined; hops++) {
    if (hops > 20 || !found.$ref.startsWith('#/definitions/')) throw new Error(`cannot follow $ref ${found.$ref}`);
    found = root.definitions?.[found.$ref.slice('#/definitions/'.length)] ?? {};
  }
  return Object.fromEntries(Object.entries(found).filter(([keyword]) => !ANNOTATIONS.has(keyword)));
}

function isOpen(schema) {
  return schema !== false && Object.keys(schema).length === 0;
}

function valuesOf(schema) {
  return schema.const === undefined ? schema.enum : [schema.const];
}

/** Every type a schema leaves open. */
function typesOf(schema) {
  if (schema.type !== undefined) return [schema.type].flat();
  const values = valuesOf(schema);
  return values ? [...new Set(values.map(typeOf))] : TYPES.filter((type) => type !== 'integer');
}

function typeOf(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}
