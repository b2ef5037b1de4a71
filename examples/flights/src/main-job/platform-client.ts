/** A check of everything that was served takes minutes. */
const REQUEST_MS = 280_000;

/** A request the platform refused, with what it said. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  constructor(
    readonly path: string,
    readonly status: number,
    readonly body: string,
  ) {
    super(`${path} answered ${status}: ${body.slice(0, 1000)}`);
  }
}

/** Talks to a platform as any user would: over HTTP, by its public protocols. */
export class PlatformClient {
  constructor(
    readonly url: string,
    readonly clickhouseUrl: string,
  ) {}

  async get<T>(path: string): Promise<T> {
    return (await this.#ask('GET', path)).json() as Promise<T>;
  }

  async post<T>(path: string, body: unknown, contentType = 'application/json'): Promise<T> {
    const text = typeof body === 'string' || body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body);
    return (await this.#ask('POST', path, text, contentType)).json() as Promise<T>;
  }

  async put(path: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#ask('PUT', path, body, 'application/octet-stream');
  }

  async bytes(path: string): Promise<Buffer> {
    return Buffer.from(await (await this.#ask('GET', path)).arrayBuffer());
  }

  /** Rows of a ClickHouse query, through the analysts' port. Parameters are texts as ClickHouse writes them. */
  async sql<Row>(query: string, parameters: Readonly<Record<string, string>> = {}): Promise<Row[]> {
    const url = new URL(this.clickhouseUrl);
    url.searchParams.set('default_format', 'JSONEachRow');
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(`param_${name}`, value);
    const response = await fetch(url, { method: 'POST', body: query });
    const text = await response.text();
    if (!response.ok) throw new PlatformError('clickhouse', response.status, text);
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Row);
  }

  async #ask(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>, contentType?: string): Promise<Response> {
    const init: RequestInit = { method, signal: AbortSignal.timeout(REQUEST_MS) };
    if (body !== undefined) init.body = body;
    if (contentType !== undefined) init.headers = { 'content-type': contentType };
    const response = await fetch(`${this.url}${path}`, init);
    if (!response.ok) throw new PlatformError(path, response.status, await response.text());
    return response;
  }
}

/** Asks again until `done` says so; what is asked for is on its way through the log. */
export async function eventually<T>(what: string, ask: () => Promise<T>, done: (answer: T) => boolean, withinMs = 60_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (Date.now() > deadline) throw error;
      return undefined;
    });
    if (answer !== undefined && done(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`${what} did not come within ${withinMs} ms; last answer: ${JSON.stringify(answer)?.slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
