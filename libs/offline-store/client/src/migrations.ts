import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '@millrace/kernel';
import { splitStatements } from './clickhouse-text.js';
import { withMigrationLock } from './migration-lock.js';
import type { OfflineStore } from './offline-store.js';

export interface Migrations {
  /** Whose they are: `tracking`, `offline-store` … Numbers are per name. */
  readonly name: string;
  /** A folder of `NNNN-*.sql` files: `new URL('./migrations/', import.meta.url)` works from src and from dist. */
  readonly directory: string | URL;
}

export interface MigrationFile {
  readonly number: number;
  readonly file: string;
  readonly checksum: string;
  readonly statements: readonly string[];
}

const FILE = /^(\d{4})-[a-z0-9-]+\.sql$/;

/**
 * Brings the tables of one owner up to date and returns the files that were run. ClickHouse has no transactions over DDL, so a kill can
 * leave a file half done: every statement must bear being run again (`IF NOT EXISTS`, `OR REPLACE`), which is checked before anything runs.
 * A file that has been run never changes; the next change is the next file.
 */
export async function migrate(store: OfflineStore, migrations: Migrations): Promise<string[]> {
  const files = await readMigrations(migrations);
  await store.command(
    `CREATE TABLE IF NOT EXISTS millrace.migrations
     (name String, number UInt32, file String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
     ENGINE = ReplacingMergeTree ORDER BY (name, number)`,
  );
  if (pending(migrations.name, files, await applied(store, migrations.name)).length === 0) return [];
  return withMigrationLock(store, migrations.name, async () => {
    const done: string[] = [];
    for (const file of pending(migrations.name, files, await applied(store, migrations.name))) {
      for (const statement of file.statements) await store.command(statement, undefined, { deadlineMs: 600_000 });
      const { number, file: name, checksum } = file;
      await store.insert('millrace.migrations', [{ name: migrations.name, number, file: name, checksum }], randomUUID());
      done.push(name);
    }
    return done;
  });
}

interface Applied {
  readonly number: number;
  readonly file: string;
  readonly checksum: string;
}

function applied(store: OfflineStore, name: string): Promise<Applied[]> {
  return store.query<Applied>('SELECT number, file, checksum FROM millrace.migrations FINAL WHERE name = {name:String} ORDER BY number', {
    name,
  });
}

/** The files still to run. Refuses a history that is not the one that was run. */
export function pending(name: string, files: readonly MigrationFile[], done: readonly Applied[]): MigrationFile[] {
  const byNumber = new Map(files.map((file) => [file.number, file]));
  for (const { number, file, checksum } of done) {
    const now = byNumber.get(number);
    // A table may be newer than this build while a deployment rolls; the build then simply has nothing to add.
    if (!now) continue;
    if (now.checksum !== checksum)
      throw refuse(`${name}/${now.file} changed after it was run (as ${file}); restore it and put the change into a new file`);
  }
  const last = done.at(-1)?.number ?? 0;
  const ran = new Set(done.map((entry) => entry.number));
  const missing = files.filter((file) => !ran.has(file.number));
  const late = missing.find((file) => file.number < last);
  if (late) throw refuse(`${name}/${late.file} is numbered before ${last}, which was run already; number it after that`);
  return missing;
}

/** Reads and checks a folder of migrations. */
export async function readMigrations({ name, directory }: Migrations): Promise<MigrationFile[]> {
  const folder = directory instanceof URL || directory.startsWith('file:') ? fileURLToPath(directory) : directory;
  const files: MigrationFile[] = [];
  for (const file of (await readdir(folder)).filter((entry) => entry.endsWith('.sql')).sort()) {
    const number = Number(FILE.exec(file)?.[1] ?? 0);
    if (number === 0) throw refuse(`${name}/${file} is not named NNNN-what-it-does.sql`);
    if (files.some((other) => other.number === number)) throw refuse(`${name} has two files numbered ${number}`);
    const text = await readFile(join(folder, file), 'utf8');
    const statements = splitStatements(text);
    for (const statement of statements) {
      const wrong = notRepeatable(statement);
      if (wrong) throw refuse(`${name}/${file}: ${wrong}; a migration may be run twice when a process is killed in the middle of it`);
    }
    files.push({ number, file, checksum: createHash('sha256').update(text).digest('hex'), statements });
  }
  return files;
}

const REPEATABLE = [
  /^CREATE (OR REPLACE )?(TABLE|VIEW|MATERIALIZED VIEW|DATABASE|DICTIONARY|FUNCTION)\b/,
  /^ALTER TABLE\b/,
  /^DROP (TABLE|VIEW|DICTIONARY|FUNCTION)\b/,
];

/** Why a statement must not be run twice; `undefined` when it may be. */
export function notRepeatable(statement: string): string | undefined {
  const text = statement
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/--[^\n]*/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .toUpperCase();
  if (!REPEATABLE.some((form) => form.test(text))) return `"${text.slice(0, 40)}…" is not a CREATE, ALTER TABLE or DROP`;
  if (text.startsWith('CREATE') && !/^CREATE (OR REPLACE |[A-Z ]+? IF NOT EXISTS )/.test(text))
    return 'CREATE needs IF NOT EXISTS or OR REPLACE';
  if (text.startsWith('DROP') && !/^DROP [A-Z]+ IF EXISTS /.test(text)) return 'DROP needs IF EXISTS';
  if (/\b(ADD (COLUMN|INDEX|PROJECTION|CONSTRAINT)) (?!IF NOT EXISTS)/.test(text)) return 'ADD needs IF NOT EXISTS';
  if (/\b((DROP|RENAME|CLEAR) (COLUMN|INDEX|PROJECTION|CONSTRAINT)) (?!IF EXISTS)/.test(text)) return 'DROP and RENAME need IF EXISTS';
  if (/\b(UPDATE|DELETE|ATTACH|DETACH|MOVE|REPLACE|FETCH|FREEZE) (?!VIEW|TABLE)/.test(text) && text.startsWith('ALTER'))
    return 'a migration changes tables, not rows: rebuild the projection instead';
  return undefined;
}

function refuse(message: string): Fault {
  return new Fault('MR_MIGRATION_REFUSED', message, false);
}
