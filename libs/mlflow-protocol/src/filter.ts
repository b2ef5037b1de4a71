import { ANY_TEXT, ONE_CHARACTER, wildcardPattern } from '@millrace/kernel';
import { invalid } from './mlflow-error.js';

export const COMPARATORS = ['=', '!=', '<', '<=', '>', '>=', 'LIKE', 'ILIKE', 'IN', 'NOT IN', 'IS NULL', 'IS NOT NULL'] as const;

export type Comparator = (typeof COMPARATORS)[number];

export const NUMERIC_COMPARATORS = ['=', '!=', '<', '<=', '>', '>='] as const satisfies readonly Comparator[];
export const TEXT_COMPARATORS = ['=', '!=', 'LIKE', 'ILIKE'] as const satisfies readonly Comparator[];
/** With lists of texts. */
export const LISTED_COMPARATORS = [...TEXT_COMPARATORS, 'IN', 'NOT IN'] as const;

/** `RLIKE` is only known where {@link parseFilter} is told so. */
export type AnyComparator = Comparator | 'RLIKE';

/** The right side of a comparison as it was written; IS NULL and IS NOT NULL have none. */
export type FilterValue =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'none' };

/** One comparison of a filter: `metrics.loss < 0.1`. `entity` is `null` where the key stands alone (`name = 'x'`). */
export interface FilterClause<C extends AnyComparator = Comparator> {
  readonly entity: string | null;
  readonly key: string;
  readonly comparator: C;
  readonly value: FilterValue;
}

/** Enough for any query a person writes; each clause costs the store a look at every row. */
const MOST_CLAUSES = 100;

type Token =
  | { readonly kind: 'word' | 'number'; readonly text: string; readonly at: number }
  | { readonly kind: 'quoted'; readonly text: string; readonly quote: string; readonly at: number }
  | { readonly kind: 'symbol'; readonly text: string; readonly at: number };

const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y;
const WORD = /[\p{L}\p{N}_][\p{L}\p{N}_\-/:]*/uy;
const SYMBOL = /!=|<=|>=|[=<>().,]/y;

/**
 * Reads MLflow's filter language: comparisons joined by AND. A key follows its entity after a dot and may be quoted by backticks or
 * double quotes (``params.`learning rate` ``); values are numbers, quoted text, or a list in parentheses, and `IS NULL` has none. OR, NOT and nesting are refused.
 * MLflow compares with regular expressions (`RLIKE`) in searches of traces only: `knowsPatterns`.
 */
export function parseFilter(filter: string): FilterClause[];
export function parseFilter(filter: string, options: { readonly knowsPatterns: true }): FilterClause<AnyComparator>[];
export function parseFilter(filter: string, { knowsPatterns = false } = {}): FilterClause<AnyComparator>[] {
  const tokens = tokenize(filter);
  const clauses: FilterClause<AnyComparator>[] = [];
  let index = 0;
  const peek = (): Token | undefined => tokens[index];
  const refuse = (): Error => {
    const token = peek();
    return invalid(`Invalid clause(s) in filter string: '${filter.slice(token?.at ?? 0) || filter}'. Expected comparisons joined by AND.`);
  };
  const take = (): Token => {
    const token = tokens[index++];
    if (!token) throw refuse();
    return token;
  };
  const takeSymbol = (text: string): boolean => {
    const token = peek();
    if (token?.kind !== 'symbol' || token.text !== text) return false;
    index++;
    return true;
  };

  const name = (): string => {
    const token = take();
    if (token.kind === 'word' || token.kind === 'number' || (token.kind === 'quoted' && token.quote !== "'")) return token.text;
    index--;
    throw refuse();
  };

  const identifier = (): { entity: string | null; key: string } => {
    const first = name();
    if (!takeSymbol('.')) return { entity: null, key: first };
    const rest = [name()];
    while (takeSymbol('.')) rest.push(name());
    return { entity: first, key: rest.join('.') };
  };

  const takeWord = (word: string): boolean => {
    const token = peek();
    if (token?.kind !== 'word' || token.text.toUpperCase() !== word) return false;
    index++;
    return true;
  };

  const comparator = (): AnyComparator => {
    if (takeWord('NOT')) {
      if (takeWord('IN')) return 'NOT IN';
      throw refuse();
    }
    if (takeWord('IS')) {
      const negated = takeWord('NOT');
      if (takeWord('NULL')) return negated ? 'IS NOT NULL' : 'IS NULL';
      throw refuse();
    }
    const token = take();
    const text = token.kind === 'word' || token.kind === 'symbol' ? token.text.toUpperCase() : '';
    const found = knowsPatterns && text === 'RLIKE' ? text : COMPARATORS.find((one) => one === text);
    if (found) return found;
    index--;
    throw refuse();
  };

  const value = (): FilterValue => {
    const token = take();
    if (token.kind === 'number') return { kind: 'number', text: token.text };
    if (token.kind === 'quoted' && token.quote !== '`') return { kind: 'string', text: token.text };
    if (token.kind === 'symbol' && token.text === '(') return { kind: 'list', items: list() };
    throw invalid(
      `Expected a quoted string value (e.g. 'my-value') or a number. Got value ${token.text}: parameter value is either not quoted ` +
        'or unidentified quote types used for string value. Use either single or double quotes.',
    );
  };

  const list = (): string[] => {
    const items: string[] = [];
    for (;;) {
      const token = take();
      if (token.kind !== 'quoted' || token.quote === '`') {
        throw invalid(
          `While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type: ${token.text}`,
        );
      }
      items.push(token.text);
      if (takeSymbol(')')) return items;
      if (!takeSymbol(',')) throw refuse();
    }
  };

  while (peek()) {
    if (clauses.length > 0) {
      const and = take();
      if (and.kind !== 'word' || and.text.toUpperCase() !== 'AND') {
        index--;
        throw refuse();
      }
    }
    if (clauses.length === MOST_CLAUSES) throw invalid(`A filter can hold at most ${MOST_CLAUSES} comparisons.`);
    const { entity, key } = identifier();
    const compared = comparator();
    const right: FilterValue = isNullTest(compared) ? { kind: 'none' } : value();
    const listed = compared === 'IN' || compared === 'NOT IN';
    if (listed !== (right.kind === 'list')) throw refuse();
    clauses.push({ entity, key, comparator: compared, value: right });
  }
  return clauses;
}

/** Whether a comparator asks if there is a value at all. */
export function isNullTest(comparator: AnyComparator): comparator is 'IS NULL' | 'IS NOT NULL' {
  return comparator === 'IS NULL' || comparator === 'IS NOT NULL';
}

/** Whether a clause is about a tag. */
export function isOfTag({ entity }: Pick<FilterClause, 'entity'>): boolean {
  return entity === 'tag' || entity === 'tags';
}

/** Whether an entity, as a filter or an order names it, is what is searched itself. */
export function isAttribute(entity: string | null): boolean {
  return entity === null || ['attribute', 'attributes', 'attr'].includes(entity);
}

/**
 * The test of a tag, or of another text that may be missing, for stores that answer in process: what is missing meets IS NULL and nothing
 * else. Whether it is there can always be asked; `comparators` are those of its text.
 */
export function optionalTextTest(
  { entity, key, comparator, value }: FilterClause,
  comparators: readonly Comparator[],
): (actual: string | undefined) => boolean {
  if (isNullTest(comparator)) return (actual) => (actual === undefined) === (comparator === 'IS NULL');
  if (!comparators.includes(comparator))
    throw invalid(`Invalid comparator '${comparator}' for ${entity ?? 'tags'}.${key}. Expected one of ${comparators.join(', ')}.`);
  if (value.kind === 'number') throw invalid(`Expected a quoted string value for ${entity ?? 'tags'}.${key} (e.g. 'my-value').`);
  return (actual) => actual !== undefined && matchesText(actual, comparator, value);
}

/** A comparison of texts, for stores that answer in process. */
export function matchesText(actual: string, comparator: Comparator, value: FilterValue): boolean {
  if (value.kind === 'list') return value.items.includes(actual) === (comparator === 'IN');
  if (value.kind === 'none') return comparator === 'IS NOT NULL';
  switch (comparator) {
    case '=':
      return actual === value.text;
    case '!=':
      return actual !== value.text;
    case 'LIKE':
      return likePattern(value.text, false).test(actual);
    case 'ILIKE':
      return likePattern(value.text, true).test(actual);
    default:
      return false;
  }
}

/** A comparison of numbers, for stores that answer in process. */
export function matchesNumber(actual: number, comparator: Comparator, value: number): boolean {
  switch (comparator) {
    case '=':
      return actual === value;
    case '!=':
      return actual !== value;
    case '<':
      return actual < value;
    case '<=':
      return actual <= value;
    case '>':
      return actual > value;
    case '>=':
      return actual >= value;
    default:
      return false;
  }
}

/** SQL's LIKE: `%` stands for any text, `_` for one character. */
function likePattern(pattern: string, ignoresCase: boolean): RegExp {
  const units = [...pattern].map((unit) => (unit === '%' ? ANY_TEXT : unit === '_' ? ONE_CHARACTER : unit));
  return wildcardPattern(units, ignoresCase);
}

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < filter.length;) {
    const character = filter[at] as string;
    if (/\s/.test(character)) {
      at++;
      continue;
    }
    if (character === "'" || character === '"' || character === '`') {
      const end = filter.indexOf(character, at + 1);
      if (end < 0) throw invalid(`Invalid filter '${filter}'. A quote is not closed.`);
      tokens.push({ kind: 'quoted', text: filter.slice(at + 1, end), quote: character, at });
      at = end + 1;
      continue;
    }
    // A number begins where a value may stand, after a comparator; elsewhere digits are part of a key.
    const before = tokens.at(-1);
    const number = before?.kind === 'symbol' && before.text !== '.' ? matchAt(NUMBER, filter, at) : undefined;
    const word = number ?? matchAt(WORD, filter, at);
    const match = word ?? matchAt(SYMBOL, filter, at);
    if (match === undefined) throw invalid(`Invalid clause(s) in filter string: '${filter.slice(at)}'.`);
    const kind = number !== undefined ? 'number' : word !== undefined ? 'word' : 'symbol';
    tokens.push({ kind, text: match, at });
    at += match.length;
  }
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
