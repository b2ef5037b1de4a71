import type { SqlParameters } from './offline-store.js';

/** A string as a ClickHouse literal. */
export function quoteString(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t').replace(/\0/g, '\\0')}'`;
}

/** A name as a ClickHouse identifier. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replace(/\\/g, '\\\\').replace(/`/g, '\\`')}\``;
}

/** `database.table`, quoted; names without a database stay as they are, in the connection's database. */
export function quoteTable(table: string): string {
  return table.split('.').map(quoteIdentifier).join('.');
}

/** The text of a parameter as the HTTP interface takes it in `param_<name>` (escaped as in TabSeparated, `\N` for NULL). */
export function parameterText(value: SqlParameters[string]): string {
  if (value === null) return '\\N';
  if (typeof value === 'string') return value.replace(/\\/g, '\\\\').replace(/\t/g, '\\t').replace(/\n/g, '\\n').replace(/\r/g, '\\r');
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return numberText(value);
  return `[${value.map((item) => (typeof item === 'number' ? numberText(item) : quoteString(item))).join(',')}]`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

const PARAMETER_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Assignments for a `SET` in front of a query: settings as they are, parameters as `param_<name>`. */
export function assignments(
  settings: Readonly<Record<string, string | number>>,
  parameterTexts: Readonly<Record<string, string>>,
): string[] {
  const out: string[] = [];
  for (const [name, value] of Object.entries(settings)) {
    if (!PARAMETER_NAME.test(name)) throw new TypeError(`not a setting name: ${JSON.stringify(name)}`);
    out.push(`${name} = ${typeof value === 'number' ? String(value) : quoteString(value)}`);
  }
  for (const [name, text] of Object.entries(parameterTexts)) {
    if (!PARAMETER_NAME.test(name)) throw new TypeError(`not a parameter name: ${JSON.stringify(name)}`);
    out.push(`param_${name} = ${quoteString(text)}`);
  }
  return out;
}

export function parameterTexts(parameters: SqlParameters | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters ?? {}).map(([name, value]) => [name, parameterText(value)]));
}

/**
 * Cuts a script into statements at the semicolons that are not in strings, quoted names, comments or heredocs. Comments are kept:
 * the text of a statement is what the author wrote.
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let start = 0;
  let meaningful = false;
  for (let i = 0; i < script.length;) {
    const end = skipQuoted(script, i);
    if (end > i) {
      if (!isComment(script, i)) meaningful = true;
      i = end;
      continue;
    }
    if (script[i] === ';') {
      if (meaningful) statements.push(script.slice(start, i).trim());
      start = i + 1;
      meaningful = false;
    } else if (!/\s/.test(script[i] as string)) meaningful = true;
    i++;
  }
  if (meaningful) statements.push(script.slice(start).trim());
  return statements;
}

function isComment(text: string, at: number): boolean {
  return text.startsWith('--', at) || text.startsWith('/*', at);
}

/** Where the string, quoted name, comment or heredoc that begins at `at` ends; `at` when none begins there. */
function skipQuoted(text: string, at: number): number {
  if (text.startsWith('--', at)) return orEnd(text, text.indexOf('\n', at), 1);
  if (text.startsWith('/*', at)) return orEnd(text, text.indexOf('*/', at + 2), 2);
  const quote = text[at];
  if (quote === "'" || quote === '"' || quote === '`') {
    for (let i = at + 1; i < text.length; i++) {
      if (text[i] === '\\') i++;
      else if (text[i] === quote) return i + 1;
    }
    return text.length;
  }
  if (quote === '$') {
    const tag = /^\$\w*\$/.exec(text.slice(at, at + 80))?.[0];
    if (tag) return orEnd(text, text.indexOf(tag, at + tag.length), tag.length);
  }
  return at;
}

function orEnd(text: string, index: number, length: number): number {
  return index < 0 ? text.length : index + length;
}
