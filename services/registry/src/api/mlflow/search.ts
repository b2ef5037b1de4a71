import {
  invalid,
  isAttribute,
  isNullTest,
  isOfTag,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  NUMERIC_COMPARATORS,
  optionalTextTest,
  parseFilter,
  parseOrderBy,
  TEXT_COMPARATORS,
  type FilterClause,
} from '@millrace/mlflow-protocol';
import { PROMPT_TAG } from '../../domain/models/prompt-tag.js';
import type { ModelView, VersionView } from '../../queries/registry-view.js';
import { isPrompt } from './prompts.js';

type Test<T> = (one: T) => boolean;
type Order<T> = (a: T, b: T) => number;

/** A filter of registered models: by name and tags. Prompts are left out unless it names their tag. */
export function modelTest(filter: string): Test<ModelView> {
  const clauses = parseFilter(filter);
  const tests = clauses.map((clause): Test<ModelView> => {
    if (isOfTag(clause)) {
      const test = tagTest(clause);
      return ({ registered }) => test(registered.tags);
    }
    if (attributeOf(clause) !== 'name') throw invalid(`Invalid attribute name: ${clause.key}`);
    allow(clause, LISTED_COMPARATORS);
    return ({ registered }) => matchesText(registered.name, clause.comparator, clause.value);
  });
  if (!asksForPrompts(clauses)) tests.push(({ registered }) => !isPrompt(registered.tags));
  return (one) => tests.every((test) => test(one));
}

/** A filter of versions: by name, run, source, number and tags. Versions of prompts are left out unless it names their tag. */
export function versionTest(filter: string): Test<VersionView> {
  const clauses = parseFilter(filter);
  const tests = clauses.map((clause): Test<VersionView> => {
    if (isOfTag(clause)) {
      const test = tagTest(clause);
      return ({ version }) => test(version.tags);
    }
    const { comparator, value } = clause;
    switch (attributeOf(clause)) {
      case 'name':
        allow(clause, LISTED_COMPARATORS);
        return ({ registered }) => matchesText(registered.name, comparator, value);
      case 'source_path':
        allow(clause, TEXT_COMPARATORS);
        return ({ version }) => matchesText(version.source, comparator, value);
      case 'run_id':
        allow(clause, LISTED_COMPARATORS);
        return ({ version }) => version.runId !== null && matchesText(version.runId, comparator, value);
      case 'version_number':
        allow(clause, NUMERIC_COMPARATORS);
        if (value.kind !== 'number') throw invalid(`Expected numeric value type for numeric attribute: version_number.`);
        return ({ version }) => matchesNumber(version.version, comparator, Number(value.text));
      default:
        throw invalid(`Invalid attribute name: ${clause.key}. Valid names are name, run_id, source_path, version_number.`);
    }
  });
  if (!asksForPrompts(clauses)) tests.push(({ registered, version }) => !isPrompt(registered.tags) && !isPrompt(version.tags));
  return (one) => tests.every((test) => test(one));
}

/** Orders of registered models; by name when nothing else decides. */
export function modelOrder(orderBy: readonly string[]): Order<ModelView> {
  const keys: Readonly<Record<string, (one: ModelView) => string | number>> = {
    name: (one) => one.registered.name,
    timestamp: (one) => one.updatedAt,
    last_updated_timestamp: (one) => one.updatedAt,
  };
  return ordered(orderBy, keys, [[keys['name'] as (one: ModelView) => string, true]]);
}

/** Orders of versions; the last changed first when nothing else is asked. */
export function versionOrder(orderBy: readonly string[]): Order<VersionView> {
  const keys = {
    name: (one: VersionView) => one.registered.name,
    version_number: (one: VersionView) => one.version.version,
    creation_timestamp: (one: VersionView) => one.version.createdAt,
    last_updated_timestamp: (one: VersionView) => one.version.updatedAt,
  };
  const asked = orderBy.length > 0 ? orderBy : ['last_updated_timestamp DESC'];
  return ordered(asked, keys, [
    [keys.name, true],
    [keys.version_number, false],
  ]);
}

function asksForPrompts(clauses: readonly FilterClause[]): boolean {
  return clauses.some((clause) => isOfTag(clause) && clause.key === PROMPT_TAG);
}

function attributeOf({ entity, key }: FilterClause): string {
  if (!isAttribute(entity)) {
    throw invalid(`Invalid entity type '${entity}'. Valid values are attribute, tag.`);
  }
  return key;
}

function allow({ key, comparator, value }: FilterClause, comparators: readonly string[]): void {
  if (!comparators.includes(comparator)) throw invalid(`Invalid comparator for attribute ${key}: ${comparator}`);
  if (comparators !== NUMERIC_COMPARATORS && value.kind === 'number')
    throw invalid(`Expected a quoted string value for attributes. Got a ${value.kind}.`);
}

function tagTest(clause: FilterClause): Test<ReadonlyMap<string, string>> {
  const { key, comparator } = clause;
  const test = optionalTextTest(clause, TEXT_COMPARATORS);
  // MLflow 3 asks for `!= 'true'` of this tag with every search of models; who does not carry it is no prompt.
  const missing = key === PROMPT_TAG && !isNullTest(comparator) ? 'false' : undefined;
  return (tags) => test(tags.get(key) ?? missing);
}

function ordered<T>(
  orderBy: readonly string[],
  keys: Readonly<Record<string, (one: T) => string | number>>,
  ties: readonly (readonly [(one: T) => string | number, boolean])[],
): Order<T> {
  const wanted = orderBy.map((text) => {
    const { entity, key, ascending } = parseOrderBy(text);
    const read = isAttribute(entity) && Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (!read) throw invalid(`Invalid order by key '${text}' specified. Valid keys are '${Object.keys(keys).join(', ')}'`);
    return [read, ascending] as const;
  });
  return (a, b) => {
    for (const [read, ascending] of [...wanted, ...ties]) {
      const [left, right] = [read(a), read(b)];
      if (left !== right) return left < right === ascending ? -1 : 1;
    }
    return 0;
  };
}
