import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CliError, EXIT } from '../cli-error.js';
import type { Experiment, FileInfo, LoggedModel, Metric, Model, Run, Version } from './mlflow-types.js';

export interface MlflowServerOptions {
  /** What it is called when it fails: `the MLflow server`, `Millrace`. */
  readonly what: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly interrupted: AbortSignal;
}

/** The server said no: another attempt gets the same answer. */
export class MlflowRefusal extends Error {
  override readonly name = 'MlflowRefusal';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export function isRefusal(error: unknown): error is MlflowRefusal {
  return error instanceof Error && error.name === 'MlflowRefusal';
}

const API = '/api/2.0/mlflow/';
const PROXY = '/api/2.0/mlflow-artifacts/artifacts';
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 200;
const POINTS_A_PAGE = 25_000;
/** Each comes with all that was measured of it. */
const LOGGED_MODELS_A_PAGE = 100;

/**
 * Finds the versions of a model. MLflow's filters have no way to write both kinds of quotes in one text, so a pattern stands for such a name,
 * and may find others as well.
 */
export function filterOfModel(name: string): string {
  if (!name.includes("'")) return `name='${name}'`;
  return name.includes('"') ? `name LIKE "${name.replace(/["\\]/g, '_')}"` : `name="${name}"`;
}

/** MLflow's REST API, of a server of MLflow's or of Millrace: an import reads one and writes the other through the same words. */
export class MlflowServer {
  #hasLoggedModels: Promise<boolean> | undefined;

  constructor(private readonly options: MlflowServerOptions) {}

  get<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
    return this.#json<T>(`${API}${path}?${new URLSearchParams(query).toString()}`, { method: 'GET' });
  }

  post<T = object>(path: string, body: object): Promise<T> {
    return this.#json<T>(`${API}${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  }

  /** Everything is asked for page by page, so that no answer has to hold all of it. */
  async *experiments(): AsyncGenerator<Experiment> {
    yield* this.#pages(async (page_token) => {
      const body = { view_type: 'ALL', max_results: 1000, ...(page_token ? { page_token } : {}) };
      const { experiments = [], next_page_token } = await this.post<{ experiments?: Experiment[]; next_page_token?: string }>(
        'experiments/search',
        body,
      );
      return [experiments, next_page_token];
    });
  }

  async *runs(experimentId: string): AsyncGenerator<Run> {
    yield* this.#pages(async (page_token) => {
      const body = { experiment_ids: [experimentId], run_view_type: 'ALL', max_results: 500, ...(page_token ? { page_token } : {}) };
      const { runs = [], next_page_token } = await this.post<{ runs?: Run[]; next_page_token?: string }>('runs/search', body);
      return [runs, next_page_token];
    });
  }

  async *history(runId: string, key: string): AsyncGenerator<Metric> {
    yield* this.#pages(async (page_token) => {
      const query = { run_id: runId, run_uuid: runId, metric_key: key, max_results: String(POINTS_A_PAGE) };
      const { metrics = [], next_page_token } = await this.get<{ metrics?: Metric[]; next_page_token?: string }>('metrics/get-history', {
        ...query,
        ...(page_token ? { page_token } : {}),
      });
      return [metrics, next_page_token];
    });
  }

  /** Servers before the 3.x line have no logged models and do not know the question. */
  hasLoggedModels(): Promise<boolean> {
    return (this.#hasLoggedModels ??= this.post('logged-models/search', { experiment_ids: ['0'], max_results: 1 }).then(
      () => true,
      (error: unknown) => {
        // Whatever else it refuses, it knows the question.
        if (isRefusal(error)) return !['404', '405', 'ENDPOINT_NOT_FOUND'].includes(error.code);
        throw error;
      },
    ));
  }

  async run(runId: string): Promise<Run> {
    return (await this.get<{ run: Run }>('runs/get', { run_id: runId, run_uuid: runId })).run;
  }

  async *loggedModels(experimentId: string): AsyncGenerator<LoggedModel> {
    yield* this.#pages(async (page_token) => {
      const body = { experiment_ids: [experimentId], max_results: LOGGED_MODELS_A_PAGE, ...(page_token ? { page_token } : {}) };
      const { models = [], next_page_token } = await this.post<{ models?: LoggedModel[]; next_page_token?: string }>(
        'logged-models/search',
        body,
      );
      return [models, next_page_token];
    });
  }

  async *models(): AsyncGenerator<Model> {
    yield* this.#pages(async (page_token) => {
      const query = { max_results: '100', ...(page_token ? { page_token } : {}) };
      const answer = await this.get<{ registered_models?: Model[]; next_page_token?: string }>('registered-models/search', query);
      return [answer.registered_models ?? [], answer.next_page_token];
    });
  }

  async *versions(name: string): AsyncGenerator<Version> {
    yield* this.#pages(async (page_token) => {
      const query = { filter: filterOfModel(name), max_results: '1000', ...(page_token ? { page_token } : {}) };
      const answer = await this.get<{ model_versions?: Version[]; next_page_token?: string }>('model-versions/search', query);
      return [(answer.model_versions ?? []).filter((version) => version.name === name), answer.next_page_token];
    });
  }

  /** Every file of a run, folders gone through; paths are below the run's artifacts. */
  async *runFiles(runId: string, below = ''): AsyncGenerator<FileInfo> {
    const query = { run_id: runId, run_uuid: runId, ...(below === '' ? {} : { path: below }) };
    const { files = [] } = await this.get<{ files?: FileInfo[] }>('artifacts/list', query);
    for (const file of files) {
      if (file.is_dir) yield* this.runFiles(runId, file.path);
      else yield file;
    }
  }

  /** Every file of a logged model; paths are below its artifacts. */
  async *modelFiles(modelId: string, below = ''): AsyncGenerator<FileInfo> {
    const path = `logged-models/${modelId}/artifacts/directories`;
    const { files = [] } = await this.get<{ files?: FileInfo[] }>(path, below === '' ? {} : { artifact_directory_path: below });
    for (const file of files) {
      if (file.is_dir) yield* this.modelFiles(modelId, file.path);
      else yield file;
    }
  }

  /** Every file below a folder of the server's artifact store; paths are below that folder. */
  async *storedFiles(folder: string, below = ''): AsyncGenerator<FileInfo> {
    const path = below === '' ? folder : `${folder}/${below}`;
    const { files = [] } = await this.#json<{ files?: FileInfo[] }>(`${PROXY}?${new URLSearchParams({ path }).toString()}`, {
      method: 'GET',
    });
    for (const file of files) {
      // Some versions answer with the name alone, some with the path from the folder that was asked for.
      const name = file.path.split('/').at(-1) as string;
      const inner = below === '' ? name : `${below}/${name}`;
      if (file.is_dir) yield* this.storedFiles(folder, inner);
      else yield { ...file, path: inner };
    }
  }

  readRunFile(runId: string, path: string): Promise<Response> {
    return this.#call(`/get-artifact?${new URLSearchParams({ path, run_uuid: runId, run_id: runId }).toString()}`, { method: 'GET' });
  }

  readModelFile(modelId: string, path: string): Promise<Response> {
    const query = new URLSearchParams({ artifact_file_path: path }).toString();
    return this.#call(`/ajax-api/2.0/mlflow/logged-models/${modelId}/artifacts/files?${query}`, { method: 'GET' });
  }

  readStored(path: string): Promise<Response> {
    return this.#call(storedUrl(path), { method: 'GET' });
  }

  /** Streams a file in and tells its digest. Read anew for each attempt: a stream that broke off cannot be sent again. */
  async store(path: string, read: () => Promise<Response>): Promise<string> {
    let digest = '';
    await this.#call(storedUrl(path), () => {
      const hash = createHash('sha256');
      return {
        method: 'PUT',
        duplex: 'half',
        body: (async function* () {
          for await (const chunk of bodyOf(await read())) {
            hash.update(chunk);
            yield chunk;
          }
          digest = hash.digest('hex');
        })(),
      };
    });
    return digest;
  }

  async #json<T>(path: string, init: RequestInit): Promise<T> {
    const text = await (await this.#call(path, init)).text();
    try {
      // Python writes NaN where JSON has no number.
      return JSON.parse(text.replace(/(?<=[[,:]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, '"$1"')) as T;
    } catch (cause) {
      throw new CliError(`${this.options.what} at ${this.options.url} does not answer as MLflow does`, EXIT.unreachable, { cause });
    }
  }

  async *#pages<T>(read: (token: string | undefined) => Promise<[T[], string | undefined]>): AsyncGenerator<T> {
    let token: string | undefined;
    do {
      const [items, next] = await read(token);
      yield* items;
      token = next;
    } while (token);
  }

  /** Tries again what may pass: a connection that breaks, a server that is busy or restarting. */
  async #call(path: string, init: RequestInit | (() => object)): Promise<Response> {
    const { what, url, headers, timeoutMs, interrupted } = this.options;
    for (let attempt = 1; ; attempt++) {
      try {
        const wanted = (typeof init === 'function' ? init() : init) as RequestInit;
        const response = await fetch(new URL(path.slice(1), url.endsWith('/') ? url : `${url}/`), {
          ...wanted,
          headers: { ...headers, ...(wanted.headers as Record<string, string> | undefined) },
          signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), interrupted]),
        });
        if (response.ok) return response;
        const text = await response.text();
        if (![429, 502, 503, 504].includes(response.status) || attempt === ATTEMPTS) throw refusalOf(response.status, text);
      } catch (error) {
        if (isRefusal(error) || interrupted.aborted) throw error;
        if (attempt === ATTEMPTS) {
          const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
          throw new CliError(`${what} at ${url} cannot be reached: ${reason}. Run the same command again to go on`, EXIT.unreachable, {
            cause: error,
          });
        }
      }
      await delay(FIRST_PAUSE_MS * 2 ** attempt);
    }
  }
}

/** The digest of what a response holds. */
export async function digestOf(response: Response): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bodyOf(response)) hash.update(chunk);
  return hash.digest('hex');
}

function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  return (response.body ?? []) as unknown as AsyncIterable<Uint8Array>;
}

function storedUrl(path: string): string {
  return `${PROXY}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

function refusalOf(status: number, text: string): MlflowRefusal {
  try {
    const { error_code: code, message, detail } = JSON.parse(text) as { error_code?: string; message?: string; detail?: string };
    return new MlflowRefusal(status, code ?? String(status), message ?? detail ?? text.slice(0, 300));
  } catch {
    return new MlflowRefusal(status, String(status), text.slice(0, 300) || `status ${status}`);
  }
}
