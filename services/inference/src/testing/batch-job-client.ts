import { parquetReadObjects } from 'hyparquet';

/** A job, as the API shows it. */
export interface ShownJob {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly progress: {
    readonly stage: string;
    readonly rows: number;
    readonly failedRows: number;
    readonly totalRows: number;
    readonly chunks: number;
    readonly totalChunks: number;
  };
  readonly output?: {
    readonly rows: number;
    readonly failedRows: number;
    readonly columns: readonly { readonly name: string; readonly type: string }[];
    readonly sha256: string;
    readonly table: string | null;
    readonly uri?: string;
    readonly deletedAt?: string;
  };
  readonly error?: string;
  readonly code?: string;
  readonly detail?: string;
  readonly row?: number | null;
  readonly attempt: number;
}

const PATH = '/api/v1/batch-jobs';

/** Asks a service for batch jobs, as a client does. */
export class BatchJobClient {
  constructor(private readonly url: string) {}

  async post(body: object, query = ''): Promise<{ status: number; job: ShownJob }> {
    return this.#ask('POST', `${PATH}${query}`, JSON.stringify(body), 'application/json');
  }

  async upload(file: Buffer | string, type: string, query: Readonly<Record<string, string>>): Promise<{ status: number; job: ShownJob }> {
    return this.#ask('POST', `${PATH}?${new URLSearchParams(query).toString()}`, file, type);
  }

  async get(id: string, query = ''): Promise<ShownJob> {
    return (await this.#ask('GET', `${PATH}/${id}${query}`)).job;
  }

  async cancel(id: string): Promise<{ status: number; job: ShownJob }> {
    return this.#ask('DELETE', `${PATH}/${id}`);
  }

  async deleteOutput(id: string): Promise<{ status: number; job: ShownJob }> {
    return this.#ask('DELETE', `${PATH}/${id}/output`);
  }

  async list(query = ''): Promise<{ batchJobs: ShownJob[]; nextPageToken?: string }> {
    return (await fetch(`${this.url}${PATH}${query}`)).json() as Promise<{ batchJobs: ShownJob[]; nextPageToken?: string }>;
  }

  /** The output's rows. */
  async rows(id: string): Promise<Record<string, unknown>[]> {
    const bytes = await this.bytes(id);
    const file = new Uint8Array(bytes).buffer;
    return parquetReadObjects({ file });
  }

  async bytes(id: string): Promise<Buffer> {
    const response = await fetch(`${this.url}${PATH}/${id}/data`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async #ask(method: string, path: string, body?: Buffer | string, type?: string): Promise<{ status: number; job: ShownJob }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }),
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    });
    return { status: response.status, job: (await response.json()) as ShownJob };
  }
}
