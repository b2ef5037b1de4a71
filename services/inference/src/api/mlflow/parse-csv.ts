import { invalid } from '../../domain/refusal.js';

/** A table of text, and what its columns are taken for. */
export interface CsvTable {
  /** Numbers, booleans or texts, one kind a column; `null` where there is nothing. */
  readonly columns: ReadonlyMap<string, readonly unknown[]>;
  /** The columns as they were written. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** What pandas takes for a missing value. */
const MISSING = new Set([
  ...['', '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>', 'N/A', 'NA', 'NULL', 'NaN'],
  ...['None', 'n/a', 'nan', 'null'],
]);
const BOOLEANS: Readonly<Record<string, boolean>> = { True: true, TRUE: true, true: true, False: false, FALSE: false, false: false };
const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const INFINITE = /^[+-]?inf(inity)?$/i;

/**
 * Reads RFC 4180 text with a header row, as `pandas.read_csv` does for MLflow's server: blank lines are nothing, a short row lacks its last values, a
 * repeated name gets `.1`, and a column is of numbers or booleans when all its values are.
 */
export function parseCsv(text: string): CsvTable {
  const [header, ...rows] = recordsOf(text.replace(/^\uFEFF/, ''));
  if (!header) throw invalid('the CSV is empty; give a header row with the names of the columns, then the rows');
  const names = uniqueNames(header);
  const texts = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const [index, row] of rows.entries()) {
    if (row.length > names.length)
      throw invalid(`row ${index} of the CSV has ${row.length} values; the header names ${names.length} columns`);
    names.forEach((name, column) => texts.get(name)?.push(row[column] ?? ''));
  }
  return { columns: new Map([...texts].map(([name, values]) => [name, typed(values)])), texts };
}

function recordsOf(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let field = '';
  let isQuoted = false;
  let wasQuoted = false;
  const endField = (): void => {
    record.push(field);
    [field, wasQuoted] = ['', false];
  };
  const endRecord = (): void => {
    const isBlank = record.length === 0 && field === '' && !wasQuoted;
    endField();
    if (!isBlank) records.push(record);
    record = [];
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') [field, at] = [`${field}"`, at + 1];
      else isQuoted = false;
    } else if (char === '"' && field === '' && !wasQuoted) [isQuoted, wasQuoted] = [true, true];
    else if (char === ',') endField();
    else if (char === '\n') endRecord();
    else if (char === '\r') {
      if (text[at + 1] === '\n') at++;
      endRecord();
    } else field += char;
  }
  if (isQuoted) throw invalid('the CSV ends within quotes; a quote within a value is written twice');
  endRecord();
  return records;
}

function uniqueNames(header: readonly string[]): string[] {
  const seen = new Set<string>();
  return header.map((given, column) => {
    const name = given === '' ? `Unnamed: ${column}` : given;
    let own = name;
    for (let count = 1; seen.has(own); count++) own = `${name}.${count}`;
    seen.add(own);
    return own;
  });
}

function typed(texts: readonly string[]): unknown[] {
  const present = texts.filter((text) => !MISSING.has(text));
  const convert = converterOf(present.map((text) => text.trim()));
  return texts.map((text) => (MISSING.has(text) ? null : convert(text)));
}

function converterOf(present: readonly string[]): (text: string) => unknown {
  if (present.every((text) => INTEGER.test(text))) return (text) => integer(text.trim());
  if (present.every((text) => NUMBER.test(text) || INFINITE.test(text))) return (text) => numberOf(text.trim());
  if (present.every((text) => BOOLEANS[text] !== undefined)) return (text) => BOOLEANS[text.trim()];
  return (text) => text;
}

/** Beyond what a number holds exactly it is a bigint, as in JSON. */
function integer(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text.replace(/^\+/, ''));
}

function numberOf(text: string): number {
  if (!INFINITE.test(text)) return Number(text);
  return text.startsWith('-') ? -Infinity : Infinity;
}
