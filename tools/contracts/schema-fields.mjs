// A JSON Schema as rows of a table: every field with its type in words, whether it must be there, its default, and what is asked of it.
// A keyword that is not known here is left out of the words, not refused: the schema stays the reference.
import { code } from '../markdown.mjs';

/**
 * The fields of an object's schema, in its order. A field of a field follows it: `points[].value` of a list's entries, `rows[].entity.*`
 * of a map's values.
 */
export function fieldsOf(schema, root = schema, at = '') {
  const rows = [];
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    const field = resolve(part, root);
    rows.push({
      path: `${at}${name}`,
      type: typeWords(field, root),
      isRequired: (schema.required ?? []).includes(name),
      fallback: field.default,
      meaning: meaningOf(field, root),
    });
    rows.push(...nestedFields(field, root, `${at}${name}`));
  }
  return rows;
}

function nestedFields(field, root, path) {
  const branches = branchesOf(field).flatMap((branch) => nestedFields(resolve(branch, root), root, path));
  const entries = field.items === undefined ? [] : nestedFields(resolve(field.items, root), root, `${path}[]`);
  const values = isMap(field) ? nestedFields(resolve(field.additionalProperties, root), root, `${path}.*`) : [];
  return [...fieldsOf(field, root, `${path}.`), ...entries, ...values, ...branches];
}

/** `string`, `list of integer`, `map of string`, `object or null`. */
function typeWords(schema, root) {
  const branches = branchesOf(schema);
  if (branches.length > 0) return joined([...new Set(branches.map((branch) => typeWords(resolve(branch, root), root)))]);
  const names = typesOf(schema);
  if (names.length === 0) return 'anything';
  return joined(names.map((name) => typeWord(name, schema, root)));
}

function typeWord(name, schema, root) {
  if (name === 'array') return `list of ${grouped(typeWords(resolve(schema.items ?? {}, root), root))}`;
  if (name === 'object' && schema.properties === undefined) {
    return `map of ${grouped(isMap(schema) ? typeWords(resolve(schema.additionalProperties, root), root) : 'anything')}`;
  }
  return name;
}

/** The description and, as sentences, what is asked of the value beyond its type. */
function meaningOf(schema, root) {
  const sentences = [schema.description ?? '', ...demandsOf(schema, root).map(asSentence)];
  if (schema.propertyNames) sentences.push(...demandsOf(resolve(schema.propertyNames, root), root).map((demand) => `Each name ${demand}.`));
  const inner = [
    schema.items,
    isMap(schema) ? schema.additionalProperties : undefined,
    ...branchesOf(schema).map((branch) => branch.items),
  ];
  for (const part of inner.filter((one) => one !== undefined)) {
    const each = resolve(part, root);
    if (each.description) sentences.push(each.description);
    // The fields of an object have rows of their own.
    if (each.properties === undefined) sentences.push(...demandsOf(each, root).map((demand) => `Each ${demand}.`));
  }
  return sentences.filter((text) => text !== '').join(' ');
}

/** What is asked of a value, as what follows "it". */
function demandsOf(schema, root) {
  const demands = [];
  const values = schema.const === undefined ? schema.enum : [schema.const];
  const shown = (values ?? []).filter((value) => value !== null).map(code);
  if (shown.length === 1) demands.push(`is ${shown[0]}`);
  // A description that explains every value has named them already.
  const isTold = shown.every((value) => schema.description?.includes(value));
  if (shown.length > 1 && !isTold) demands.push(`is one of ${shown.join(', ')}`);
  if (schema.minimum !== undefined && schema.maximum !== undefined) demands.push(`is ${schema.minimum} to ${schema.maximum}`);
  else if (schema.minimum !== undefined) demands.push(`is at least ${schema.minimum}`);
  else if (schema.maximum !== undefined) demands.push(`is at most ${schema.maximum}`);
  if (schema.exclusiveMinimum !== undefined) demands.push(`is more than ${schema.exclusiveMinimum}`);
  if (schema.exclusiveMaximum !== undefined) demands.push(`is less than ${schema.exclusiveMaximum}`);
  if (schema.multipleOf !== undefined) demands.push(`is a multiple of ${schema.multipleOf}`);
  demands.push(...sizeOf(schema.minLength, schema.maxLength, 'character'));
  if (schema.pattern !== undefined) demands.push(`matches ${code(schema.pattern)}`);
  if (schema.format !== undefined) demands.push(`has the format ${code(schema.format)}`);
  demands.push(...sizeOf(schema.minItems, schema.maxItems, 'entry'), ...sizeOf(schema.minProperties, schema.maxProperties, 'entry'));
  if (schema.uniqueItems) demands.push('has no entry twice');
  for (const branch of branchesOf(schema))
    demands.push(...demandsOf(resolve(branch, root), root).map((demand) => branchDemand(branch, demand)));
  return demands;
}

/** Of a value that may be of several types, a demand holds for one of them. */
function branchDemand(branch, demand) {
  const [name] = typesOf(branch);
  const word = { array: 'a list', object: 'an object', integer: 'an integer' }[name] ?? `a ${name}`;
  return name === undefined ? demand : `${demand} when it is ${word}`;
}

function sizeOf(least, most, what) {
  const counted = (count) => `${count} ${count === 1 ? what : what.replace(/y$/, 'ie').concat('s')}`;
  if (least !== undefined && most !== undefined) return [least === most ? `has ${counted(most)}` : `has ${least} to ${counted(most)}`];
  if (least === 1) return ['is not empty'];
  if (least !== undefined) return [`has at least ${counted(least)}`];
  return most === undefined ? [] : [`has at most ${counted(most)}`];
}

function asSentence(demand) {
  const bare = demand.replace(/^is (?=(one of|at |more than|less than|not empty|a multiple|[\d-]))/, '').replace(/^is /, 'always ');
  return `${bare[0].toUpperCase()}${bare.slice(1)}.`;
}

function isMap(schema) {
  const rest = schema.additionalProperties;
  return typeof rest === 'object' && rest !== null && schema.properties === undefined;
}

function branchesOf(schema) {
  return schema.anyOf ?? schema.oneOf ?? [];
}

function typesOf(schema) {
  if (schema.type !== undefined) return [schema.type].flat();
  const values = schema.const === undefined ? schema.enum : [schema.const];
  return [...new Set((values ?? []).map(typeOf))];
}

function typeOf(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function joined(words) {
  return words.length < 3 ? words.join(' or ') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function grouped(words) {
  return / or /.test(words) ? `(${words})` : words;
}

function resolve(schema, root) {
  let found = schema === true ? {} : schema;
  for (let hops = 0; found.$ref !== undefined; hops++) {
    const [, keyword, name] = /^#\/(definitions|\$defs)\/(.+)$/.exec(found.$ref) ?? [];
    const target = root[keyword]?.[name];
    if (target === undefined || hops > 20) throw new Error(`cannot follow $ref ${found.$ref}`);
    const { $ref: _, ...beside } = found;
    found = { ...target, ...beside };
  }
  return found;
}
