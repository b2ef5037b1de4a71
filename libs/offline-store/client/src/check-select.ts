import type { OfflineStore } from './offline-store.js';

/** Table functions over numbers and values; all others reach outside or run text as SQL. */
const HARMLESS = new Set(['numbers', 'zeros', 'generateseries', 'generate_series', 'values']);
/** Ordinary functions that read files or run models; every other one computes. */
const REACHING = ['file', 'catboostevaluate'];
const WORDS = /'(?:[^'\\]|\\[\s\S])*'|`((?:[^`\\]|\\[\s\S])*)`|([A-Za-z_][\w$]*)|(\S)/gu;

/**
 * Checks a SELECT of somebody's and returns it as ClickHouse itself writes it: one SELECT over the platform's tables, without settings, output or
 * functions that reach outside. The result can stand as a subquery. `field` is what a reason calls it.
 */
export async function checkSelect(store: OfflineStore, sql: string, field: string): Promise<{ sql: string } | { reason: string }> {
  let canonical: string;
  try {
    const [formatted] = await store.query<{ sql: string }>('SELECT formatQuerySingleLine({sql:String}) AS sql', { sql });
    canonical = formatted?.sql ?? '';
  } catch (error) {
    return { reason: `${field} does not parse: ${error instanceof Error ? error.message.slice(0, 500) : String(error)}` };
  }
  const functions = await store.query<{ name: string }>('SELECT name FROM system.table_functions');
  const refused = new Set([...functions.map(({ name }) => name.toLowerCase()).filter((name) => !HARMLESS.has(name)), ...REACHING]);
  const reason = problemOf(canonical, refused, field);
  return reason === undefined ? { sql: canonical } : { reason };
}

/** Why a canonical statement is not one that may be run. */
function problemOf(canonical: string, refused: ReadonlySet<string>, field: string): string | undefined {
  const words = [...canonical.matchAll(WORDS)];
  if (!/^(SELECT|WITH|\(SELECT)\b/.test(canonical)) return `${field} must be a SELECT`;
  for (const [index, [text, quoted, bare]] of words.entries()) {
    if (text === ';') return `${field} must be one statement`;
    if (bare === 'SETTINGS' || bare === 'OUTFILE' || bare === 'FORMAT') return `${field} may not have ${bare}`;
    const name = (quoted ?? bare)?.toLowerCase();
    if (name === undefined) continue;
    const isCalled = words[index + 1]?.[0] === '(';
    const isQualified = words[index - 1]?.[0] === '.';
    if (isCalled && refused.has(name)) return `${field} may not use ${name}`;
    if (REACHING.includes(name) && !isQualified) return `${field} may not use ${name}; write a column of that name with its table`;
  }
  return undefined;
}
