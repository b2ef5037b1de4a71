import { isFault } from '@millrace/kernel';
import { clickHouseCodeOf } from './clickhouse-fault.js';
import type { OfflineStore } from './offline-store.js';

const READONLY = 164;
const DESCRIBE_DEADLINE_MS = 60_000;
/** Table functions over numbers and values; all others reach outside or run text as SQL. */
const HARMLESS = new Set(['numbers', 'zeros', 'generateseries', 'generate_series', 'values']);
/** Ordinary functions that read files or run models; every other one computes. */
const REACHING = ['file', 'catboostevaluate', 'aigenerate', 'aiclassify', 'aiextract', 'aitranslate', 'aiembed'];
const TABLE_FOLLOWS = new Set(['FROM', 'JOIN', 'IN', 'TABLE']);
const CLAUSES = new Set(['SELECT', 'FROM', 'WHERE', 'PREWHERE', 'GROUP', 'HAVING', 'ORDER', 'LIMIT', 'WINDOW', 'QUALIFY', 'WITH']);
const WORDS = /'(?:[^'\\]|\\[\s\S])*'|`((?:[^`\\]|\\[\s\S])*)`|([A-Za-z_][\w$]*)|(\S)/gu;

/**
 * Checks a SELECT of somebody's and returns it as ClickHouse itself writes it: one SELECT over the database's tables, without settings, output or
 * functions that reach outside. The result can stand as a subquery. `field` is what a reason calls it.
 *
 * Two walls. Its words are looked at, and the engine resolves it once where it may only read: a table's name can be a file's in process
 * (`FROM "/etc/passwd"`, and `FROM "notes.csv"` in the folder it was started in), and which names are, the engine knows best.
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
  return reason === undefined ? resolved(store, canonical, field) : { reason };
}

/** Nothing but its columns is computed, except subqueries that stand for a value. */
async function resolved(store: OfflineStore, canonical: string, field: string): Promise<{ sql: string } | { reason: string }> {
  try {
    await store.query(`DESCRIBE TABLE (${canonical})`, undefined, { isGuests: true, deadlineMs: DESCRIBE_DEADLINE_MS });
    return { sql: canonical };
  } catch (error) {
    if (!isFault(error) || error.retryable) throw error;
    if (clickHouseCodeOf(error) === READONLY)
      return { reason: `${field} may read tables of the database only, no files and nothing elsewhere` };
    return { reason: `${field} cannot be read: ${error.message.slice(0, 1_000)}` };
  }
}

/** Why a canonical statement is not one that may be run. */
function problemOf(canonical: string, refused: ReadonlySet<string>, field: string): string | undefined {
  const words = [...canonical.matchAll(WORDS)];
  const places = tablePlaces(words);
  if (!/^(SELECT|WITH|\(SELECT)\b/.test(canonical)) return `${field} must be a SELECT`;
  for (const [index, [text, quoted, bare]] of words.entries()) {
    if (text === ';') return `${field} must be one statement`;
    if (bare === 'SETTINGS' || bare === 'OUTFILE' || bare === 'FORMAT') return `${field} may not have ${bare}`;
    const name = (quoted ?? bare)?.toLowerCase();
    if (name === undefined) continue;
    if (quoted !== undefined && /[\\/]/.test(quoted) && places[index] === true)
      return `${field} may not hold a slash or backslash in a table's name, here ${JSON.stringify(quoted)}`;
    const isCalled = words[index + 1]?.[0] === '(';
    const isQualified = words[index - 1]?.[0] === '.';
    if (isCalled && refused.has(name)) return `${field} may not use ${name}`;
    if (REACHING.includes(name) && !isQualified) return `${field} may not use ${name}; write a column of that name with its table`;
  }
  return undefined;
}

/** Which words stand where a table can: after FROM, JOIN or IN, after a comma of a FROM, and beside a dot. */
function tablePlaces(words: readonly RegExpMatchArray[]): boolean[] {
  const at = (index: number) => words[index]?.[0];
  /** The clause of each open parenthesis; a word that is not known to begin one leaves it as it is. */
  const clauses = [''];
  return words.map(([text, , bare], index) => {
    if (text === '(') clauses.push('');
    else if (text === ')') clauses.pop();
    else if (bare !== undefined && CLAUSES.has(bare)) clauses[clauses.length - 1] = bare;
    let before = at(index - 1) ?? '';
    // One name in parentheses is that name.
    for (let outer = index - 1; before === '('; before = at(--outer) ?? '');
    const isListed = before === ',' && clauses.at(-1) === 'FROM';
    return isListed || before === '.' || at(index + 1) === '.' || TABLE_FOLLOWS.has(before);
  });
}
