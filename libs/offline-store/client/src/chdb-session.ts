import { usableMemory } from '@millrace/kernel';
import { mkdirSync, realpathSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { Readable } from 'node:stream';
import {
  loadChdb,
  type ChdbAddon,
  type ChdbClassification,
  type ChdbConnection,
  type ChdbInsertResult,
  type ChdbResult,
} from './chdb-addon.js';
import { clickHouseFault, engineUnopened } from './clickhouse-fault.js';
import { assignments, quoteIdentifier, quoteString } from './clickhouse-text.js';
import { EngineThreads } from './engine-threads.js';
import { InsertFiles } from './insert-files.js';
import { OutputFiles } from './output-files.js';
import { Slots } from './slots.js';

/**
 * `write`: projections. `read`: the platform's own queries. `guest`: analysts. `given`: queries of others that the platform runs for its own work, such as a
 * training set's spine. None may hold another up.
 */
export type ChdbLane = 'write' | 'read' | 'guest' | 'given';

export interface ChdbSessionOptions {
  /**
   * Threads of libuv's pool (`UV_THREADPOOL_SIZE`, 4 unless set). A query holds one while it runs and cannot be taken off it, so
   * each lane gets a fifth of them and the last fifth stays free for files, names and LMDB.
   */
  readonly threads?: number;
  /** Guests at a time, where they are the purpose of the process. */
  readonly guests?: number;
  readonly maxWaiting?: number;
  /** What `TZ` of the process says: the engine does not open with one it does not know. */
  readonly timeZone?: string | undefined;
  /** What a statement of somebody's own may take. A quarter of what the process may use, and a gigabyte at least. */
  readonly guestMemoryBytes?: number;
}

export interface ChdbStatement {
  readonly sql: string;
  /** Output format when the statement names none. */
  readonly format?: string;
  /** Texts as `param_<name>` carries them. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly deadlineMs?: number;
}

/** An INSERT that carries data, in the parts ClickHouse's grammar has: `INSERT INTO t (a, b)`, `SETTINGS …`, the format. */
export interface ChdbInsert {
  readonly into: string;
  /** With its keyword; empty when there is none. */
  readonly settings: string;
  readonly format: string;
  readonly data: Buffer;
}

export interface GuestStatement extends Omit<ChdbStatement, 'sql'> {
  readonly statement: string | ChdbInsert;
  readonly database?: string;
  readonly readOnly: boolean;
}

interface PooledConnection {
  readonly native: ChdbConnection;
  settings: string;
}

const GUEST_MEMORY_BYTES = Math.max(2 ** 30, Math.floor(usableMemory(process.constrainedMemory(), totalmem()) / 4));

const NEWLINE = 0x0a;
const BLANK_LINE = Buffer.from('\n\n');

const open = new Map<string, { session: ChdbSession; users: number }>();

/** All lanes but `guest` speak to analysts' tables in these terms, whatever the machine's time zone is. */
const PLATFORM_TERMS = {
  session_timezone: 'UTC',
  async_insert: 0,
  output_format_json_quote_64bit_integers: 1,
  date_time_input_format: 'best_effort',
} as const;
const PLATFORM_SETTINGS = assignments(PLATFORM_TERMS, {});

/**
 * The one chdb engine of this process: one data directory, held by one process at a time, main thread only. The offline store and
 * the analysts' HTTP port share it.
 *
 * What chdb does, measured on 26.7: queries run on libuv's pool and side by side (a `SELECT 1` beside a long query on the same
 * engine: 0.6 ms); a query cannot be interrupted from outside, it ends by `max_execution_time` and `max_memory_usage`; settings
 * and parameters stay on their connection, and a connection costs 0.1 ms. So each lane has its own few threads and connections,
 * guests get a fresh connection each time, and nobody's long query can hold a projection up.
 */
export class ChdbSession {
  readonly #addon: ChdbAddon;
  /** Keeps the engine alive while no other connection is open. */
  readonly #keeper: ChdbConnection;
  readonly #threads: EngineThreads;
  readonly #lanes: Record<ChdbLane, Slots>;
  readonly #idle: PooledConnection[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #files = new InsertFiles();
  readonly #outputs: OutputFiles;
  /** What a statement of somebody's own, or a file of theirs that is read, may take. */
  readonly guestMemoryBytes: number;
  #closed = false;

  private constructor(
    readonly path: string,
    options: ChdbSessionOptions,
  ) {
    this.#addon = loadChdb();
    try {
      this.#keeper = this.#addon.CreateConnection(path);
    } catch (error) {
      throw engineUnopened(error, options.timeZone);
    }
    this.#threads = new EngineThreads();
    this.#outputs = new OutputFiles(path);
    const perLane = Math.max(1, Math.floor((options.threads ?? 4) / 5));
    const maxWaiting = options.maxWaiting ?? 1000;
    this.guestMemoryBytes = options.guestMemoryBytes ?? GUEST_MEMORY_BYTES;
    this.#lanes = {
      write: new Slots('offline store (writes)', perLane, maxWaiting),
      read: new Slots('offline store (reads)', perLane, maxWaiting),
      guest: new Slots("analysts' port", options.guests ?? perLane, Math.min(maxWaiting, 100)),
      given: new Slots('offline store (queries of others)', perLane, Math.min(maxWaiting, 100)),
    };
  }

  /** The session of a data directory: made on the first call, shared by the next, closed when the last user has closed it. */
  static open(path: string, options: ChdbSessionOptions = {}): ChdbSession {
    mkdirSync(path, { recursive: true });
    const key = realpathSync(path);
    const known = open.get(key);
    if (known) {
      known.users++;
      return known.session;
    }
    const session = new ChdbSession(key, options);
    open.set(key, { session, users: 1 });
    return session;
  }

  get engineVersion(): string {
    return this.#addon.EngineVersion();
  }

  /** What waits and runs, for metrics. */
  load(): Record<ChdbLane, { running: number; waiting: number }> {
    const of = (lane: ChdbLane) => ({ running: this.#lanes[lane].running, waiting: this.#lanes[lane].waiting });
    return { write: of('write'), read: of('read'), guest: of('guest'), given: of('given') };
  }

  /** Runs a statement of ours on a kept connection. */
  async run(lane: 'write' | 'read', statement: ChdbStatement): Promise<ChdbResult> {
    return this.#inLane(lane, statement.deadlineMs, (connection, left) => {
      const settings = { max_execution_time: left ?? 0, ...statement.settings };
      return this.#prepared(connection, settings, statement, () =>
        this.#addon.QueryAsyncConnection(connection.native, statement.sql, statement.format ?? 'JSONEachRow'),
      );
    });
  }

  /**
   * Runs a query of ours whose result may be large: the engine writes it to a file, a block or a row group at a time, and the stream reads that. The same bytes as `run` gives;
   * the engine's own streams make each chunk a file of its own.
   */
  async output(statement: ChdbStatement & { readonly format: string }): Promise<Readable> {
    return this.#outputs.read((file) => {
      const sql = `${statement.sql}\nINTO OUTFILE ${quoteString(file)} COMPRESSION 'none' FORMAT ${statement.format}`;
      return this.run('read', { ...statement, sql, format: 'Null' });
    });
  }

  /** Runs a statement that is somebody's own in the platform's terms: beside analysts, within bounds, reading only where that is all it is for. */
  async runGuests(statement: ChdbStatement, readOnly: boolean): Promise<ChdbResult> {
    const { sql, deadlineMs, ...rest } = statement;
    const result = await this.#asGuest('given', deadlineMs, (left) => {
      const settings = { ...PLATFORM_TERMS, max_execution_time: left ?? 0, max_memory_usage: this.guestMemoryBytes };
      return { ...rest, statement: sql, settings, readOnly };
    });
    return result as ChdbResult;
  }

  /** Inserts bytes. Waits for the engine without a deadline, so its answer is definite. */
  async insert(insert: ChdbInsert): Promise<ChdbInsertResult> {
    return this.#inLane('write', undefined, (connection) =>
      this.#prepared(connection, { max_execution_time: 0 }, {}, () => this.#insert(connection.native, insert)),
    );
  }

  /** Rows in chunks, lazily: the engine computes as the reader asks. */
  async *stream(statement: ChdbStatement): AsyncGenerator<Buffer> {
    const release = await this.#lanes.read.take();
    const connection = await this.#connect();
    let sound = false;
    try {
      await this.#track(this.#prepare(connection, { max_execution_time: 0, ...statement.settings }, statement.parameters ?? {}));
      const handle = this.#addon.StreamQuery(connection.native, statement.sql, statement.format ?? 'JSONEachRow');
      try {
        for (;;) {
          const chunk = await this.#track(this.#addon.StreamFetch(handle));
          if (chunk.done) break;
          yield chunk.bytes;
        }
      } finally {
        this.#addon.StreamCancel(handle);
      }
      sound = true;
    } finally {
      if (sound) this.#idle.push(connection);
      else this.#addon.CloseConnection(connection.native);
      release();
    }
  }

  /** Runs a guest's statement on a connection of its own that keeps nothing of it; read-only ones cannot be argued out of it. */
  async guest(statement: GuestStatement): Promise<ChdbResult | ChdbInsertResult> {
    return this.#asGuest('guest', statement.deadlineMs, () => statement);
  }

  /** ClickHouse's own parser says what a text is: how many statements, and whether it only reads. */
  async classify(sql: string): Promise<ChdbClassification> {
    this.#assertOpen();
    return this.#track(this.#addon.DurableClassifyAsync(this.#keeper, sql, 'millrace'));
  }

  /** Gives this user's share back; the last one waits for what runs and closes the engine. */
  async close(): Promise<void> {
    const known = open.get(this.path);
    if (known?.session !== this || --known.users > 0) return;
    this.#closed = true;
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    for (const connection of this.#idle.splice(0)) this.#addon.CloseConnection(connection.native);
    this.#addon.CloseConnection(this.#keeper);
    this.#threads.close();
    await this.#files.close();
    open.delete(this.path);
  }

  async #asGuest(
    lane: 'guest' | 'given',
    deadlineMs: number | undefined,
    statement: (leftSeconds: number | undefined) => GuestStatement,
  ): Promise<ChdbResult | ChdbInsertResult> {
    const asked = performance.now();
    const release = await this.#lanes[lane].take(deadlineMs);
    try {
      this.#assertOpen();
      return await this.#track(this.#runGuest(statement(secondsLeft(deadlineMs, asked))));
    } finally {
      release();
    }
  }

  async #runGuest(guest: GuestStatement): Promise<ChdbResult | ChdbInsertResult> {
    const { settings = {}, parameters = {}, database, readOnly, statement, format } = guest;
    const native = this.#addon.CreateConnection(this.path);
    const execute = (text: string) => this.#addon.QueryAsyncConnection(native, text, format ?? 'TabSeparated');
    try {
      const set = assignments(settings, parameters);
      if (set.length > 0) await execute(`SET ${set.join(', ')}`);
      if (database) await execute(`USE ${quoteIdentifier(database)}`);
      // Last, because from here on the connection's settings cannot be changed any more.
      if (readOnly) await execute('SET readonly = 1');
      return typeof statement === 'string' ? await execute(statement) : await this.#insert(native, statement);
    } finally {
      this.#addon.CloseConnection(native);
    }
  }

  /**
   * The engine reads a statement and its data as one script in which a blank line ends the data, and *runs* what follows. Data that
   * holds one (binary formats, quoted CSV, anybody's text) goes through a file instead, and so does VALUES, which a semicolon ends.
   */
  async #insert(native: ChdbConnection, { into, settings, format, data }: ChdbInsert): Promise<ChdbInsertResult> {
    const inline = format !== 'Values' && data[0] !== NEWLINE && !data.includes(BLANK_LINE);
    if (inline) return this.#addon.InsertRawAsyncConnection(native, `${into} ${settings} FORMAT ${format}`, data, false);
    const file = await this.#files.write(data);
    try {
      const sql = `${into} FROM INFILE ${quoteString(file)} COMPRESSION 'none' ${settings} FORMAT ${format}`;
      const { rowsRead, bytesRead, elapsed } = await this.#addon.QueryAsyncConnection(native, sql, 'Null');
      return { rowsWritten: rowsRead, bytesWritten: bytesRead, elapsed };
    } finally {
      await this.#files.remove(file);
    }
  }

  async #inLane<T>(
    lane: 'write' | 'read',
    deadlineMs: number | undefined,
    work: (connection: PooledConnection, leftSeconds: number | undefined) => Promise<T>,
  ): Promise<T> {
    const asked = performance.now();
    const release = await this.#lanes[lane].take(deadlineMs);
    try {
      const connection = await this.#connect();
      try {
        return await this.#track(work(connection, secondsLeft(deadlineMs, asked)));
      } finally {
        this.#idle.push(connection);
      }
    } finally {
      release();
    }
  }

  async #connect(): Promise<PooledConnection> {
    this.#assertOpen();
    const idle = this.#idle.pop();
    if (idle) return idle;
    const native = this.#addon.CreateConnection(this.path);
    await this.#track(this.#addon.QueryAsyncConnection(native, `SET ${PLATFORM_SETTINGS.join(', ')}`, 'Null'));
    return { native, settings: '' };
  }

  async #prepared<T>(
    connection: PooledConnection,
    settings: Readonly<Record<string, string | number>>,
    statement: Pick<ChdbStatement, 'parameters'>,
    execute: () => Promise<T>,
  ): Promise<T> {
    await this.#prepare(connection, settings, statement.parameters ?? {});
    return execute();
  }

  /** Settings and parameters in a statement of their own, so that the positions in the engine's error texts are those of the caller's SQL. */
  async #prepare(
    connection: PooledConnection,
    settings: Readonly<Record<string, string | number>>,
    parameters: Readonly<Record<string, string>>,
  ): Promise<void> {
    const set = assignments(settings, parameters).join(', ');
    if (set === connection.settings) return;
    connection.settings = '';
    await this.#addon.QueryAsyncConnection(connection.native, `SET ${set}`, 'Null');
    connection.settings = set;
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return work;
  }

  #assertOpen(): void {
    if (this.#closed) throw clickHouseFault(new Error('the session is closed'), 'opening a connection');
  }
}

/** Of a deadline, after the wait for a slot. */
function secondsLeft(deadlineMs: number | undefined, asked: number): number | undefined {
  return deadlineMs === undefined ? undefined : Math.max(0.001, (deadlineMs - (performance.now() - asked)) / 1000);
}
