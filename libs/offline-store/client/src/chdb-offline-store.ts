import type { Readable } from 'node:stream';
import { ChdbSession, type ChdbSessionOptions } from './chdb-session.js';
import { clickHouseFault, withFaults } from './clickhouse-fault.js';
import { parameterTexts, quoteIdentifier, quoteString, quoteTable } from './clickhouse-text.js';
import { jsonLines, parseLines, splitLines } from './json-lines.js';
import type { InsertLayout, LoadFormat, OfflineStore, QueryOptions, SqlParameters } from './offline-store.js';

/** ClickHouse in this process. */
export class ChdbOfflineStore implements OfflineStore {
  readonly kind = 'chdb';

  private constructor(readonly session: ChdbSession) {}

  static async open(path: string, database: string, options: ChdbSessionOptions): Promise<ChdbOfflineStore> {
    const store = new ChdbOfflineStore(ChdbSession.open(path, options));
    await store.command(`CREATE DATABASE IF NOT EXISTS ${quoteTable(database)}`);
    return store;
  }

  async query<Row>(sql: string, parameters?: SqlParameters, options: QueryOptions = {}): Promise<Row[]> {
    const { isGuests = false, ...limits } = options;
    const statement = { sql, format: 'JSONEachRow', parameters: parameterTexts(parameters), ...limits };
    return withFaults(about(sql), async () => {
      const result = await (isGuests ? this.session.runGuests(statement, true) : this.session.run('read', statement));
      return parseLines<Row>(result.bytes);
    });
  }

  async *stream<Row>(sql: string, parameters?: SqlParameters): AsyncIterable<Row> {
    try {
      yield* splitLines<Row>(this.session.stream({ sql, parameters: parameterTexts(parameters) }));
    } catch (error) {
      throw clickHouseFault(error, about(sql));
    }
  }

  async raw(sql: string, format: string, parameters?: SqlParameters, options: QueryOptions = {}): Promise<Readable> {
    return withFaults(about(sql), () =>
      this.session.output({ sql: withoutEnd(sql), format, parameters: parameterTexts(parameters), ...deadlineOf(options) }),
    );
  }

  async command(sql: string, parameters?: SqlParameters, options: QueryOptions = {}): Promise<void> {
    const { isGuests = false, ...limits } = options;
    const statement = { sql, format: 'Null', parameters: parameterTexts(parameters), ...limits };
    await withFaults(about(sql), () => (isGuests ? this.session.runGuests(statement, false) : this.session.run('write', statement)));
  }

  async insert(table: string, rows: readonly object[] | Buffer, token: string, layout?: InsertLayout): Promise<void> {
    const data = Buffer.isBuffer(rows) ? rows : jsonLines(rows);
    if (data.length === 0) return;
    await withFaults(`inserting ${token} into ${table}`, () => this.session.insert({ ...insertParts(table, token, layout), data }));
  }

  async load(table: string, format: LoadFormat, data: Buffer): Promise<void> {
    await withFaults(`reading ${format} into ${table}`, () =>
      this.session.insert({ ...loadParts(table, format, this.session.guestMemoryBytes), data }),
    );
  }

  async ping(): Promise<void> {
    await this.query('SELECT 1', undefined, { deadlineMs: 2000 });
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

function deadlineOf({ deadlineMs }: QueryOptions): { readonly deadlineMs?: number } {
  return deadlineMs === undefined ? {} : { deadlineMs };
}

/** One statement for both ways to ClickHouse, so that a row is read alike. */
export function insertParts(table: string, token: string, layout?: InsertLayout): { into: string; settings: string; format: string } {
  const settings = [
    `insert_deduplication_token = ${quoteString(token)}`,
    'async_insert = 0',
    'input_format_skip_unknown_fields = 1',
    "date_time_input_format = 'best_effort'",
    // ClickHouse's usual reading of a float is off in the last bit for one double in six; what is stored has to be what was sent.
    'precise_float_parsing = 1',
    // Text in a JSON column stays text, also where it looks like a day.
    'input_format_try_infer_dates = 0',
    'input_format_try_infer_datetimes = 0',
    // Rows have positions, so there is nothing to replace among those of one insert, and looking for it costs a third of the insert.
    ...(layout ? ['optimize_on_insert = 0'] : []),
  ];
  const columns = layout ? ` (${layout.columns.map(quoteIdentifier).join(', ')})` : '';
  return {
    into: `INSERT INTO ${quoteTable(table)}${columns}`,
    settings: `SETTINGS ${settings.join(', ')}`,
    format: layout?.format ?? 'JSONEachRow',
  };
}

/** The order of the rows is kept: one thread reads, and one writes. `maxMemoryBytes`: a file of some kilobytes may unfold into any number of gigabytes. */
export function loadParts(
  table: string,
  format: LoadFormat,
  maxMemoryBytes?: number,
): { into: string; settings: string; format: LoadFormat } {
  const settings = [
    ...(maxMemoryBytes === undefined ? [] : [`max_memory_usage = ${maxMemoryBytes}`]),
    'async_insert = 0',
    'max_threads = 1',
    'max_insert_threads = 1',
    'max_parsing_threads = 1',
    'input_format_parallel_parsing = 0',
    'input_format_parquet_preserve_order = 1',
    "date_time_input_format = 'best_effort'",
    'precise_float_parsing = 1',
  ];
  return { into: `INSERT INTO ${quoteTable(table)}`, settings: `SETTINGS ${settings.join(', ')}`, format };
}

/** A query to which a clause is added. */
export function withoutEnd(sql: string): string {
  return sql.trim().replace(/;+$/, '');
}

export function about(sql: string): string {
  const line = sql.replace(/\s+/g, ' ').trim();
  return `running «${line.length > 120 ? `${line.slice(0, 120)}…` : line}»`;
}
