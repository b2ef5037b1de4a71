import type { ChdbInsert, ChdbSession, GuestStatement } from '@millrace/offline-store';
import { ClickHouseError } from './clickhouse-error.js';
import { header, type HttpRequest } from './http-request.js';
import { insertStatement, isInsert } from './insert-statement.js';
import type { ReadOnlyGuard } from './read-only-guard.js';
import { engineSettings, guestSettings, type Settings } from './settings.js';

export interface QueryLimits {
  readonly maxExecutionSeconds: number;
  readonly maxMemoryBytes: number;
  /** A larger result is refused; what builds it is bounded by `maxMemoryBytes`. */
  readonly maxResultBytes: number;
  /** How long a query may wait for others to end. */
  readonly queueMs: number;
}

export interface QueryAnswer {
  readonly bytes: Buffer;
  readonly format: string;
  readonly summary: Readonly<Record<string, string>>;
  readonly database: string;
}

/** Runs requests on the engine: what the text is, what it may do, with which settings and data. */
export class QueryHandler {
  constructor(
    private readonly session: ChdbSession,
    private readonly guard: ReadOnlyGuard | undefined,
    private readonly limits: QueryLimits,
    private readonly defaultDatabase: string,
  ) {}

  async handle(request: HttpRequest): Promise<QueryAnswer> {
    const { parameters } = request;
    const database = parameters.get('database') ?? header(request, 'x-clickhouse-database') ?? this.defaultDatabase;
    const format = parameters.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated';
    const texts = Object.fromEntries(
      [...parameters].flatMap(([name, value]) => (name.startsWith('param_') ? [[name.slice(6), value]] : [])),
    );
    const asked = engineSettings(parameters);
    const common = { database, format, parameters: texts, deadlineMs: this.limits.queueMs };
    if (this.guard) return this.#guarded(request, asked, common);
    return this.#open(request, asked, common);
  }

  async #guarded(request: HttpRequest, asked: Settings, common: Common): Promise<QueryAnswer> {
    const sql = queryText(request);
    const { settings: inQuery } = await (this.guard as ReadOnlyGuard).check(sql, common.parameters);
    const limits = {
      max_execution_time: this.limits.maxExecutionSeconds,
      max_memory_usage: this.limits.maxMemoryBytes,
      ...DEFAULTS,
    };
    // What the query itself sets cannot change any more once it is read-only, so it is set before; its clause then changes nothing.
    const settings = guestSettings({ ...asked, ...inQuery }, limits);
    return this.#run({ ...common, statement: sql, settings, readOnly: true });
  }

  async #open(request: HttpRequest, asked: Settings, common: Common): Promise<QueryAnswer> {
    const settings = { max_execution_time: this.limits.maxExecutionSeconds, ...DEFAULTS, ...asked };
    const insert = insertOf(request);
    if (insert) {
      if (request.method === 'GET') throw new ClickHouseError(164, 'READONLY', 'Cannot execute query in readonly mode: use POST to insert');
      if (insert.data.length === 0)
        return { bytes: insert.data, format: common.format, summary: summaryOf(0, 0, 0, 0, 0), database: common.database };
      return this.#run({ ...common, statement: insert, settings, readOnly: false });
    }
    const sql = queryText(request);
    const { statementCount, queryClass } = await this.session.classify(sql);
    if (statementCount > 1) throw new ClickHouseError(62, 'SYNTAX_ERROR', 'Syntax error (Multi-statements are not allowed)');
    if (request.method === 'GET' && statementCount === 1 && queryClass !== 0)
      throw new ClickHouseError(164, 'READONLY', 'Cannot execute query in readonly mode: GET only reads, use POST');
    return this.#run({ ...common, statement: sql, settings, readOnly: false });
  }

  async #run(guest: GuestStatement & Common): Promise<QueryAnswer> {
    const result = await this.session.guest(guest);
    const { format, database, statement } = guest;
    if (!('bytes' in result)) {
      const summary = summaryOf(0, 0, result.rowsWritten, result.bytesWritten, result.elapsed);
      return { bytes: Buffer.alloc(0), format, summary, database };
    }
    // The engine builds the result under max_memory_usage; max_result_bytes it does not heed in process.
    const { maxResultBytes } = this.limits;
    if (result.bytes.length > maxResultBytes)
      throw new ClickHouseError(
        396,
        'TOO_MANY_ROWS_OR_BYTES',
        `Limit for result exceeded, max bytes: ${maxResultBytes}, current bytes: ${result.bytes.length}`,
      );
    const summary = summaryOf(result.rowsRead, result.bytesRead, 0, 0, result.elapsed, result.bytes.length);
    return {
      bytes: result.bytes,
      format: (typeof statement === 'string' ? formatClause(statement) : undefined) ?? format,
      summary,
      database,
    };
  }
}

interface Common {
  readonly database: string;
  readonly format: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

/** The platform writes and shows times in UTC; an insert is done when it is answered. */
const DEFAULTS: Settings = { session_timezone: 'UTC', async_insert: 0 };

/** The statement: the `query` parameter and the body, one after the other, as ClickHouse reads them. */
function queryText(request: HttpRequest): string {
  const body = request.body.toString('utf8');
  const query = request.parameters.get('query');
  const text = query === null ? body : body === '' ? query : `${query}\n${body}`;
  if (text.trim() === '') throw new ClickHouseError(62, 'SYNTAX_ERROR', 'Syntax error: Empty query');
  return text;
}

/** An INSERT that carries data: the statement in the URL and the data in the body, or both in the body. */
function insertOf(request: HttpRequest): ChdbInsert | undefined {
  const query = request.parameters.get('query');
  if (query === null) {
    const found = insertStatement(request.body);
    return found && { ...found, data: request.body.subarray(found.dataAt) };
  }
  if (!isInsert(query)) return undefined;
  const text = Buffer.from(query);
  const found = insertStatement(text);
  if (found) {
    const inline = text.subarray(found.dataAt);
    return { ...found, data: inline.toString().trim() === '' ? request.body : Buffer.concat([inline, request.body]) };
  }
  if (request.body.length === 0) return undefined;
  // The format can also be named beside the statement.
  const format = (header(request, 'x-clickhouse-format') ?? request.parameters.get('default_format') ?? '').replace(/\W/g, '');
  const named = format === '' ? undefined : insertStatement(Buffer.from(`${query} FORMAT ${format}`));
  return named && { ...named, data: request.body };
}

/** The FORMAT clause at the end of a statement, for the header that names it. */
function formatClause(sql: string): string | undefined {
  return /\bFORMAT\s+([A-Za-z0-9]+)\s*(SETTINGS\b[^']*)?;?\s*$/i.exec(sql)?.[1];
}

function summaryOf(readRows: number, readBytes: number, writtenRows: number, writtenBytes: number, seconds: number, resultBytes = 0) {
  return {
    read_rows: String(readRows),
    read_bytes: String(readBytes),
    written_rows: String(writtenRows),
    written_bytes: String(writtenBytes),
    total_rows_to_read: '0',
    result_rows: String(readRows + writtenRows),
    result_bytes: String(resultBytes),
    elapsed_ns: String(Math.round(seconds * 1e9)),
    memory_usage: '0',
  };
}
