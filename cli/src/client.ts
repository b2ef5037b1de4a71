import { parseExactJson } from '@millrace/kernel';
import { Readable } from 'node:stream';
import { CliError, EXIT } from './cli-error.js';

/** A problem as the server tells it (RFC 9457). */
export interface Problem {
  readonly status: number;
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly requestId?: string;
}

/** The server said no. Whoever knows the code may say it better. */
export class RefusedError extends CliError {
  constructor(readonly problem: Problem) {
    const unset = problem.status === 401 ? '. The command shows the key in MILLRACE_API_KEY' : '';
    const request = problem.status >= 500 && problem.requestId !== undefined ? ` (request ${problem.requestId})` : '';
    super(`${problem.detail ?? problem.title ?? `the server answered ${problem.status}`}${unset}${request}`, EXIT.refused);
  }
}

export function isRefused(error: unknown): error is RefusedError {
  return error instanceof CliError && 'problem' in error;
}

export interface ClientOptions {
  readonly server: string;
  readonly timeoutMs: number;
  readonly actor: string;
  /** `MILLRACE_API_KEY`; never an option, because other users of a machine can read command lines. */
  readonly apiKey: string | undefined;
  readonly interrupted: AbortSignal;
}

export interface CallOptions {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Beyond the client's own; a long poll takes that much longer. */
  readonly extraTimeMs?: number;
  readonly signal?: AbortSignal;
}

/** Talks to one Millrace process. Every failure becomes a sentence that names the address and what to do. */
export class MillraceClient {
  readonly #options: ClientOptions;
  readonly #base: URL;

  constructor(options: ClientOptions) {
    this.#options = options;
    try {
      this.#base = new URL(options.server);
    } catch (cause) {
      throw new CliError(`--server ${options.server} is not a URL such as http://127.0.0.1:8080`, EXIT.usage, { cause });
    }
    if (!/^https?:$/.test(this.#base.protocol)) throw new CliError(`--server ${options.server} is not http or https`, EXIT.usage);
  }

  get server(): string {
    return this.#options.server;
  }

  /** The answer's JSON; whole numbers that a double does not hold are bigints, which `exactJsonText` prints. */
  async json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.call(method, path, options);
    const text = await this.#text(response);
    try {
      return parseExactJson(text) as T;
    } catch (cause) {
      throw new CliError(`${this.server} does not answer as Millrace does: is --server (MILLRACE_URL) right?`, EXIT.unreachable, { cause });
    }
  }

  /** Resolves with a response that is a success. */
  async call(method: string, path: string, { body, headers = {}, extraTimeMs = 0, signal }: CallOptions = {}): Promise<Response> {
    const { timeoutMs, interrupted } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs + extraTimeMs);
    let response: Response;
    try {
      response = await fetch(this.#address(path), {
        method,
        headers: { accept: 'application/json', ...this.#whoAsks(), ...headers },
        signal: AbortSignal.any([timeout, interrupted, ...(signal ? [signal] : [])]),
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      throw this.#failure(cause, timeout, method);
    }
    if (response.ok) return response;
    throw new RefusedError(problemOf(response.status, await this.#text(response)));
  }

  /** Sends or fetches a file. It may take as long as it takes, while something goes over; {@link ClientOptions.timeoutMs} bounds the silence. */
  async transfer(method: 'GET' | 'PUT', path: string, body?: Readable): Promise<Response> {
    const { timeoutMs, interrupted } = this.#options;
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), timeoutMs);
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), timeoutMs);
    };
    const signal = AbortSignal.any([interrupted, silence.signal]);
    const sent = body === undefined ? {} : { body: Readable.toWeb(body.on('data', heard)), duplex: 'half' };
    let response: Response;
    try {
      response = await fetch(this.#address(path), { method, headers: this.#whoAsks(), signal, ...sent } as RequestInit);
    } catch (cause) {
      throw this.#failure(cause, silence.signal, method);
    } finally {
      clearTimeout(timer);
    }
    if (response.ok) return response;
    throw new RefusedError(problemOf(response.status, await this.#text(response)));
  }

  /** Below the path of the server's own address, by which a proxy may tell it from its neighbours. */
  #address(path: string): URL {
    return new URL(`${this.#base.pathname.replace(/\/+$/, '')}${path}`, this.#base);
  }

  #whoAsks(): Record<string, string> {
    const { actor, apiKey } = this.#options;
    return { 'millrace-actor': actor, ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) };
  }

  async #text(response: Response): Promise<string> {
    try {
      return await response.text();
    } catch (cause) {
      throw new CliError(`the connection to ${this.server} broke off in the middle of the answer; try again`, EXIT.unreachable, { cause });
    }
  }

  #failure(cause: unknown, timeout: AbortSignal, method: string): CliError {
    const { server, timeoutMs } = this.#options;
    const maybe = method === 'GET' ? '' : ' It may still take effect; the same command again does no harm.';
    if (timeout.aborted) {
      return new CliError(
        `${server} did not answer within ${timeoutMs / 1000} s; give it longer with --timeout.${maybe}`,
        EXIT.unreachable,
        { cause },
      );
    }
    const reason = reasonOf(cause);
    const mend = 'Start Millrace with `npm start`, or say where it is with --server or MILLRACE_URL.';
    return new CliError(`cannot reach ${server}: ${reason}. ${mend}${reason === 'connection refused' ? '' : maybe}`, EXIT.unreachable, {
      cause,
    });
  }
}

function problemOf(status: number, text: string): Problem {
  try {
    const problem = JSON.parse(text) as (Problem & { message?: string }) | null;
    // MLflow's own calls say what is wrong in `message`.
    if (typeof problem !== 'object' || problem === null) return { status };
    return { ...(problem.message === undefined ? {} : { detail: problem.message }), ...problem, status };
  } catch {
    return { status, detail: `the server answered ${status}: ${text.slice(0, 200).trim() || 'nothing more'}` };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'no such host',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'no way to that host',
};

/** `fetch` says only "fetch failed"; the reason is in its cause, or in the first of several. */
function reasonOf(error: unknown): string {
  let reason = String(error);
  for (let at = error as Failure | undefined, depth = 0; at !== undefined && depth < 5; at = at.cause, depth++) {
    const code = at.code ?? at.errors?.[0]?.code;
    if (code !== undefined && REASONS[code] !== undefined) return REASONS[code];
    reason = at.message ?? reason;
  }
  return reason;
}

interface Failure {
  readonly code?: string;
  readonly message?: string;
  readonly errors?: readonly { readonly code?: string }[];
  readonly cause?: Failure;
}
