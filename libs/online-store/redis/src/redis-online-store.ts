import { Fault, type Scheduler } from '@millrace/kernel';
import type { OnlineGuard, OnlineStore, OnlineWrite } from '@millrace/online-store';
import { createClient, RESP_TYPES } from 'redis';
import { ConnectionWatch } from './connection-watch.js';
import { GatheredReads, PAGE, type Values } from './gathered-reads.js';

export interface RedisOnlineStoreOptions {
  /** `redis://` or `rediss://`, with user, password and database number where needed. */
  readonly url: string;
  /** Put before every key, so that several houses can share one Redis. */
  readonly prefix?: string;
  /** How long a read may wait for an answer, and any other command for a connection. */
  readonly commandTimeoutMs?: number;
  /** How long after the connection was lost reads wait for the next one; then they fail at once, until there is one. */
  readonly bridgeMs?: number;
  /** How long a connection may answer nothing before another takes its place. Default 30 seconds. */
  readonly silenceMs?: number;
  /** Commands that may wait for the connection; beyond it they fail at once. */
  readonly maxQueuedCommands?: number;
}

/**
 * Guards and writes in one atomic step. ARGV[1] guards, then for each guard `1` (holds ARGV value) or `0` (absent) and the value;
 * then for each write `1` (set) or `0` (delete) and the value. KEYS are the guards' and the writes' keys in the same order.
 */
const WRITE_SCRIPT = `
local guards = tonumber(ARGV[1])
for i = 1, guards do
  local found = redis.call('GET', KEYS[i])
  if ARGV[2 * i] == '0' then
    if found then return 0 end
  elseif found ~= ARGV[2 * i + 1] then return 0 end
end
for i = guards + 1, #KEYS do
  if ARGV[2 * i] == '1' then redis.call('SET', KEYS[i], ARGV[2 * i + 1])
  else redis.call('DEL', KEYS[i]) end
end
return 1`;

const ZERO = Buffer.from('0');
const ONE = Buffer.from('1');
const EMPTY = Buffer.alloc(0);
const SCAN_COUNT = '5000';
const LONGEST_RECONNECT_PAUSE_MS = 500;
const SILENCE_MS = 30_000;
/** For what the client does about a connection that was ended to be done before it makes another. */
const REPLACE_PAUSE_MS = 50;
const MAX_QUEUED = 10_000;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** Timers that keep no process alive: a read that waits has a connection that does. */
const UNREFERENCED: Scheduler = {
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds).unref();
    return () => clearTimeout(timer);
  },
};

function connect(options: RedisOnlineStoreOptions) {
  return createClient({
    url: options.url,
    commandsQueueMaxLength: options.maxQueuedCommands ?? MAX_QUEUED,
    socket: {
      connectTimeout: 5_000,
      keepAlive: true,
      noDelay: true,
      // Reads fail until there is a connection, so the next try is never far.
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, LONGEST_RECONNECT_PAUSE_MS),
    },
  }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

/**
 * The online store in one Redis (or anything that speaks its protocol, on one node). Commands of one tick leave in one write,
 * so concurrent reads share a round trip. Redis is a projection here: its persistence does not matter, and FLUSHALL costs a rebuild.
 */
export class RedisOnlineStore implements OnlineStore {
  readonly #client: ReturnType<typeof connect>;
  readonly #prefix: Buffer;
  readonly #timeoutMs: number;
  #script: string | undefined;
  /** Why there is no connection now. */
  #lost: unknown;
  readonly #reads: GatheredReads;
  readonly #watch: ConnectionWatch;
  /** There is a connection, and Redis has not answered on it yet. */
  #isGreeting = false;
  #isClosed = false;

  private constructor(client: ReturnType<typeof connect>, options: RedisOnlineStoreOptions) {
    this.#client = client;
    this.#prefix = Buffer.from(options.prefix ?? '');
    this.#timeoutMs = options.commandTimeoutMs ?? 10_000;
    this.#reads = new GatheredReads({
      // They keep their time themselves: the client's own time-out is a signal and a timer for each command, which fire long after it was answered.
      ask: (keys) => client.sendCommand<(Buffer | null)[]>(['MGET', ...keys], { timeout: 0 }),
      failure: (cause) => fault('read', cause),
      late: (cause) => fault('read in the time that was left', cause, 'MR_DEADLINE_EXCEEDED'),
      timeoutMs: this.#timeoutMs,
      bridgeMs: Math.min(options.bridgeMs ?? 1_000, this.#timeoutMs),
      maxWaiting: options.maxQueuedCommands ?? MAX_QUEUED,
      now: () => performance.now(),
      scheduler: UNREFERENCED,
    });
    client.on('error', (error: unknown) => {
      // An answer that cannot be parsed is told here too, while the connection stands.
      if (client.isReady) return;
      this.#isGreeting = false;
      this.#lost = error;
      this.#reads.lost(error);
    });
    client.on('connect', () => (this.#isGreeting = true));
    client.on('ready', () => {
      this.#isGreeting = false;
      this.#lost = undefined;
      this.#reads.found();
    });
    const silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#watch = new ConnectionWatch({
      silenceMs,
      state: () => (client.isReady ? 'ready' : this.#isGreeting ? 'greeting' : 'none'),
      ping: () => client.sendCommand(['PING']),
      replace: () => this.#replace(new Error(`Redis has answered nothing for ${silenceMs} ms; its connection was ended`)),
    });
  }

  /** What was under way is asked again on the next connection where it only reads, and fails where it writes: that may or may not have been done. */
  #replace(cause: Error): void {
    this.#isGreeting = false;
    this.#lost = cause;
    this.#reads.lost(cause);
    this.#client.destroy();
    setTimeout(() => {
      // Vain attempts are told as errors, and repeated.
      if (!this.#isClosed) this.#client.connect().catch(() => undefined);
    }, REPLACE_PAUSE_MS);
  }

  /** Connects; fails at once when Redis cannot be reached, reconnects by itself when it is lost later. */
  static async connect(options: RedisOnlineStoreOptions): Promise<RedisOnlineStore> {
    const client = connect(options);
    // A lost connection is told here; to have nobody listen would end the process.
    client.on('error', () => undefined);
    let failed: (error: unknown) => void = () => undefined;
    const firstError = new Promise<never>((_, reject) => {
      failed = reject;
    });
    client.once('error', failed);
    try {
      await Promise.race([client.connect(), firstError]);
    } catch (error) {
      client.destroy();
      throw fault('connect', error);
    }
    client.off('error', failed);
    return new RedisOnlineStore(client, options);
  }

  /** Reads that are under way at the same time share commands; see {@link GatheredReads}. */
  getMany(keys: readonly Buffer[], withinMs?: number): Promise<Values> {
    if (keys.length === 0) return Promise.resolve([]);
    return this.#reads.read(
      keys.map((key) => this.#full(key)),
      withinMs,
    );
  }

  async writeMany(writes: readonly OnlineWrite[], guards: readonly OnlineGuard[] = []): Promise<boolean> {
    if (writes.length === 0 && guards.length === 0) return true;
    const all = [...guards, ...writes];
    const args: (string | Buffer)[] = [String(all.length), ...all.map((item) => this.#full(item.key)), String(guards.length)];
    for (const { value } of all) args.push(value === null ? ZERO : ONE, value ?? EMPTY);
    return (await this.#runScript(args)) === 1;
  }

  async #runScript(args: readonly (string | Buffer)[]): Promise<number> {
    this.#script ??= (await this.#send<Buffer>('load its script', ['SCRIPT', 'LOAD', WRITE_SCRIPT])).toString();
    try {
      return await this.#send<number>('write', ['EVALSHA', this.#script, ...args]);
    } catch (error) {
      // A restarted Redis, or SCRIPT FLUSH, has forgotten it.
      if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error;
      return this.#send<number>('write', ['EVAL', WRITE_SCRIPT, ...args]);
    }
  }

  async *scan(prefix: Buffer): AsyncIterable<readonly [Buffer, Buffer]> {
    const keys = (await this.#keys(prefix)).sort((a, b) => a.compare(b));
    for (let from = 0; from < keys.length; from += PAGE) {
      const page = keys.slice(from, from + PAGE);
      const values = await this.#send<(Buffer | null)[]>('scan', ['MGET', ...page]);
      for (const [index, key] of page.entries()) {
        const value = values[index];
        if (value) yield [key.subarray(this.#prefix.length), value];
      }
    }
  }

  async clear(prefix: Buffer): Promise<number> {
    const keys = await this.#keys(prefix);
    let removed = 0;
    for (let from = 0; from < keys.length; from += PAGE) {
      removed += await this.#send<number>('clear', ['UNLINK', ...keys.slice(from, from + PAGE)]);
    }
    return removed;
  }

  /** Full keys below a prefix, each once (SCAN may return a key twice while the table grows). */
  async #keys(prefix: Buffer): Promise<Buffer[]> {
    const full = this.#full(prefix);
    const pattern = Buffer.concat([escapeGlob(full), Buffer.from('*')]);
    const found = new Map<string, Buffer>();
    let cursor: Buffer | string = '0';
    do {
      const reply: [Buffer, Buffer[]] = await this.#send('scan', ['SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT]);
      cursor = reply[0];
      for (const key of reply[1]) found.set(key.toString('latin1'), key);
    } while (cursor.toString() !== '0');
    return [...found.values()];
  }

  async ping(): Promise<void> {
    await this.#send('answer', ['PING']);
  }

  /** Waits for what is under way, as long as any command may take; without a connection nothing that waits for one is answered any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.stop();
    this.#reads.close();
    if (!this.#client.isOpen) return;
    if (!this.#client.isReady) {
      this.#client.destroy();
      return;
    }
    let giveUp: NodeJS.Timeout | undefined;
    const late = new Promise<void>((_, reject) => (giveUp = setTimeout(reject, this.#timeoutMs)));
    try {
      await Promise.race([this.#client.close(), late]);
    } catch {
      this.#client.destroy();
    } finally {
      clearTimeout(giveUp);
    }
  }

  #full(key: Buffer): Buffer {
    return this.#prefix.length === 0 ? key : Buffer.concat([this.#prefix, key]);
  }

  async #send<T>(doing: string, args: readonly (string | Buffer)[]): Promise<T> {
    try {
      return await this.#client.sendCommand(args, { timeout: this.#timeoutMs });
    } catch (error) {
      // A command that waited for a connection in vain fails without a word of its own.
      const isSilent = error instanceof Error && error.message === '';
      throw fault(doing, isSilent ? (this.#lost ?? new Error(`no answer within ${this.#timeoutMs} ms`)) : error);
    }
  }
}

/** MATCH takes a glob over bytes: what it gives a meaning is escaped. */
function escapeGlob(bytes: Buffer): Buffer {
  const special = new Set(Buffer.from('*?[]\\^-'));
  const escaped: number[] = [];
  for (const byte of bytes) {
    if (special.has(byte)) escaped.push(0x5c);
    escaped.push(byte);
  }
  return Buffer.from(escaped);
}

function fault(doing: string, error: unknown, code = 'MR_ONLINE_STORE'): Fault {
  // An address tried as IPv6 and as IPv4 fails with two errors and an empty sentence.
  const reason = error instanceof AggregateError && error.message === '' ? error.errors.map(String).join('; ') : messageOf(error);
  return new Fault(code, `the online store (Redis) failed to ${doing}: ${reason}`, true, { cause: error });
}
