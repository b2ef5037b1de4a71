import { messageOf, parameterText, type ChdbSession } from '@millrace/offline-store';
import { ClickHouseError } from './clickhouse-error.js';
import { settingsClauses, sqlWords, type SqlWord } from './sql-words.js';

/** Table functions over numbers, values and tables the reader can see anyway. All others reach outside, or run text as SQL. */
const HARMLESS_TABLE_FUNCTIONS = new Set([
  'numbers',
  'numbers_mt',
  'zeros',
  'zeros_mt',
  'generateseries',
  'generate_series',
  'generaterandom',
  'primes',
  'values',
  'view',
  'merge',
  'null',
  'mergetreeindex',
  'mergetreeprojection',
]);

/** Ordinary functions that read files or reach the network; every other one computes. */
const REACHING_FUNCTIONS = ['file', 'catboostEvaluate'];

const FORMAT_DEADLINE_MS = 60_000;

/** A checked statement and the settings its own SETTINGS clauses ask for. */
export interface GuardedStatement {
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * What an analyst may run. Three walls, each of which would do alone for most attacks:
 *
 * 1. ClickHouse's own parser classifies the text: one statement, and one that only reads. Comments, encodings and several statements
 *    cannot fool it, because it is the parser that will run the text.
 * 2. The statement in ClickHouse's canonical form is searched for functions that reach outside. The engine in process has no user_files
 *    folder to lock `file('/etc/passwd')` into, and readonly does not stop that function.
 * 3. The engine runs it with `readonly = 1` on a connection of its own, which refuses writes and every table function that needs a source.
 */
export class ReadOnlyGuard {
  readonly #session: ChdbSession;
  readonly #refused: ReadonlySet<string>;
  readonly #reaching: ReadonlySet<string>;

  private constructor(session: ChdbSession, tableFunctions: readonly string[]) {
    this.#session = session;
    this.#reaching = new Set(REACHING_FUNCTIONS.map((name) => name.toLowerCase()));
    const outside = tableFunctions.map((name) => name.toLowerCase()).filter((name) => !HARMLESS_TABLE_FUNCTIONS.has(name));
    this.#refused = new Set([...outside, ...this.#reaching]);
  }

  /** Asks the engine which table functions it has: one that is new in the next version is refused until it is known. */
  static async of(session: ChdbSession): Promise<ReadOnlyGuard> {
    const { bytes } = await session.run('read', { sql: 'SELECT name FROM system.table_functions', format: 'TSVRaw' });
    return new ReadOnlyGuard(session, bytes.toString().trim().split('\n'));
  }

  /** Lets the statement pass, or throws what ClickHouse would say. */
  async check(sql: string, parameters: Readonly<Record<string, string>>): Promise<GuardedStatement> {
    const { statementCount, queryClass } = await this.#session.classify(sql);
    if (statementCount > 1) throw new ClickHouseError(62, 'SYNTAX_ERROR', 'Syntax error (Multi-statements are not allowed)');
    if (statementCount === 1 && queryClass !== 0) throw refuse('Cannot execute query in readonly mode');
    // Text that does not parse gets the parser's own error here.
    const canonical = await this.#canonical(sql);
    if (statementCount !== 1) throw refuse('Cannot execute query in readonly mode');
    const words = sqlWords(canonical);
    for (const [index, word] of words.entries()) this.#checkWord(words, index, word, parameters);
    return { settings: settingsClauses(canonical) };
  }

  #checkWord(words: readonly SqlWord[], index: number, word: SqlWord, parameters: Readonly<Record<string, string>>): void {
    if (word.kind === 'placeholder') return this.#checkPlaceholder(word.text, parameters);
    if (word.kind !== 'name') return;
    if (word.quoted && /[\\/]/.test(word.text))
      throw refuse(`The name ${JSON.stringify(word.text)} may not hold a slash or backslash in readonly mode`);
    const name = word.text.toLowerCase();
    const called = words[index + 1]?.text === '(' && words[index + 1]?.kind === 'mark';
    if (called && this.#refused.has(name)) throw refuse(`Function ${word.text} is not allowed in readonly mode`);
    // A function can also be named without a call: APPLY file, arrayMap(file, …). A column of that name has to say whose it is: t.file.
    const qualified = words[index - 1]?.text === '.' && words[index - 1]?.kind === 'mark';
    if (this.#reaching.has(name) && !qualified)
      throw refuse(
        `The name ${word.text} is that of a function which is not allowed in readonly mode; write a column with its table (t.${word.text})`,
      );
  }

  /** A parameter can stand for a name, and a name for a function. */
  #checkPlaceholder(text: string, parameters: Readonly<Record<string, string>>): void {
    const [name = '', type = ''] = text.split(/:(.*)/s);
    if (type.trim() !== 'Identifier') return;
    const value = parameters[name] ?? '';
    if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$/.test(value) || this.#refused.has(value.toLowerCase()))
      throw refuse(`Parameter ${name} may not be ${JSON.stringify(value)} as an identifier in readonly mode`);
  }

  async #canonical(sql: string): Promise<string> {
    const statement = 'SELECT formatQuerySingleLine({sql:String})';
    try {
      const parameters = { sql: parameterText(sql) };
      const result = await this.#session.guest({
        statement,
        format: 'TSVRaw',
        parameters,
        readOnly: true,
        deadlineMs: FORMAT_DEADLINE_MS,
      });
      return 'bytes' in result ? result.bytes.toString() : '';
    } catch (error) {
      // The error is about the analyst's text; that it was met while formatting is nobody's business.
      throw new Error(messageOf(error).replace(/:?\s*In scope SELECT formatQuerySingleLine\([\s\S]*$/, ' (SYNTAX_ERROR)'), {
        cause: error,
      });
    }
  }
}

function refuse(message: string): ClickHouseError {
  return new ClickHouseError(164, 'READONLY', message);
}
