import { invalid } from './mlflow-error.js';

/** One entry of `order_by`: `metrics.loss DESC`. `entity` is `null` where the key stands alone. */
export interface OrderClause {
  readonly entity: string | null;
  readonly key: string;
  readonly ascending: boolean;
}

const ORDER = /^\s*(.+?)(?:\s+(\w+))?\s*$/s;

/** Reads one `order_by` entry: a key, quoted by backticks or double quotes if need be, then ASC (the default) or DESC. */
export function parseOrderBy(text: string): OrderClause {
  const whole = unquoted(text.trim());
  const match = whole === undefined ? ORDER.exec(text) : null;
  const identifier = match?.[1] ?? text.trim();
  const direction = match?.[2]?.toLowerCase() ?? 'asc';
  if (identifier === '') throw invalid(`Invalid order_by clause '${text}'. Could not be parsed.`);
  if (direction !== 'asc' && direction !== 'desc') throw invalid(`Invalid ordering key in order_by clause '${text}'.`);
  const dot = identifier.indexOf('.');
  const ascending = direction === 'asc';
  if (unquoted(identifier) !== undefined || dot < 0) {
    const key = unquoted(identifier) ?? identifier;
    if (/\s/.test(key) && key === identifier) throw invalid(`Invalid order_by clause '${text}'. Could not be parsed.`);
    return { entity: null, key, ascending };
  }
  const [entity, rest] = [identifier.slice(0, dot), identifier.slice(dot + 1)];
  const key = unquoted(rest) ?? rest;
  if (key === '' || (key === rest && /\s/.test(key))) throw invalid(`Invalid order_by clause '${text}'. Could not be parsed.`);
  return { entity: unquoted(entity) ?? entity, key, ascending };
}

/** The text between a pair of backticks or double quotes that has no such quote inside. */
function unquoted(text: string): string | undefined {
  const quote = text[0];
  if ((quote !== '`' && quote !== '"') || text.length < 2 || !text.endsWith(quote)) return undefined;
  const inner = text.slice(1, -1);
  return inner.includes(quote) ? undefined : inner;
}
