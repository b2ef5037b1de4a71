import { CliError, EXIT } from '../cli-error.js';
import type { ClientOptions } from '../client.js';
import { attempt } from '../import/import-compare.js';
import { findGoneModels, importModel } from '../import/import-models.js';
import { ImportReport } from '../import/import-report.js';
import { importExperiment } from '../import/import-runs.js';
import { isRefusal, MlflowServer } from '../import/mlflow-server.js';
import type { Experiment } from '../import/mlflow-types.js';
import type { Io } from '../io.js';

export interface ImportMlflowOptions {
  readonly from: string;
  readonly origin?: string;
  readonly experiment: readonly string[];
  readonly artifacts: boolean;
  readonly models: boolean;
  readonly output: string;
}

const PROGRESS_EVERY_MS = 1000;
/** One file or one page of a history may take long. */
const LONGEST_CALL_MS = 15 * 60_000;

/**
 * Brings what an MLflow server holds and compares both sides. Every step finds what is here already, so after a kill the same command goes
 * on, and a second run brings only what is new there. True when everything is here.
 */
export async function importMlflow(target: ClientOptions, io: Io, options: ImportMlflowOptions): Promise<boolean> {
  const source = sourceOf(options.from, io);
  if (addressOf(source.url) === addressOf(target.server))
    throw new CliError(`--from ${options.from} is the server that is imported into (--server); name the one to import from`, EXIT.usage);
  const interrupted = io.interrupted;
  const from = new MlflowServer({ what: 'the MLflow server', ...source, timeoutMs: LONGEST_CALL_MS, interrupted });
  const headers = {
    'millrace-actor': target.actor,
    ...(target.apiKey === undefined ? {} : { authorization: `Bearer ${target.apiKey}` }),
  };
  const to = new MlflowServer({ what: 'Millrace', url: target.server, headers, timeoutMs: LONGEST_CALL_MS, interrupted });
  const report = new ImportReport();
  const context = { from, to, origin: options.origin ?? source.url, withArtifacts: options.artifacts, report, progress: progressOf(io) };
  try {
    const wanted = new Set(options.experiment);
    for (const experiment of await experimentsOf(from)) {
      if (options.experiment.length > 0 && !wanted.delete(experiment.name)) continue;
      await attempt(report, `experiment ${experiment.name}`, () => importExperiment(context, experiment));
    }
    for (const name of wanted) report.problem(`experiment ${name}`, 'is not there');
    if (options.models) {
      const names = new Set<string>();
      for await (const model of from.models()) {
        names.add(model.name);
        await attempt(report, `model ${model.name}`, () => importModel(context, model));
      }
      await attempt(report, 'models', () => findGoneModels(context, names));
    }
  } catch (error) {
    if (isRefusal(error)) throw new CliError(`${error.message} (${error.code}). Run the same command again to go on`, EXIT.refused);
    throw error;
  }
  io.out(options.output === 'json' ? `${JSON.stringify(report.json(), null, 2)}\n` : report.text());
  return report.isWhole;
}

/** The oldest first: one that was renamed leaves its name before another takes it. */
async function experimentsOf(from: MlflowServer): Promise<Experiment[]> {
  const experiments: Experiment[] = [];
  for await (const experiment of from.experiments()) experiments.push(experiment);
  return experiments.sort((a, b) => Number(a.experiment_id) - Number(b.experiment_id));
}

/** Names of this machine are one. What cannot be read as an address is refused where it is used. */
function addressOf(text: string): string {
  const url = URL.parse(text);
  const host = url?.hostname.replace(/^(127\.0\.0\.1|\[::1\])$/, 'localhost');
  return url ? `${url.protocol}//${host}:${url.port}${url.pathname.replace(/\/+$/, '')}` : text;
}

/** The address without credentials, and the credentials: of the address itself, or of MLflow's own variables. */
function sourceOf(text: string, { environment }: Io): { url: string; headers: Record<string, string> } {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new CliError(`--from ${text} is not a URL such as http://mlflow.example.org:5000`, EXIT.usage, { cause });
  }
  if (!/^https?:$/.test(url.protocol)) {
    throw new CliError(`--from ${text} is not http or https: start a server on that store with "mlflow server" and name it`, EXIT.usage);
  }
  const user = decodeURIComponent(url.username) || environment['MLFLOW_TRACKING_USERNAME'] || '';
  const password = decodeURIComponent(url.password) || environment['MLFLOW_TRACKING_PASSWORD'] || '';
  const token = environment['MLFLOW_TRACKING_TOKEN'] || '';
  [url.username, url.password, url.search, url.hash] = ['', '', '', ''];
  const plain = url.href.replace(/\/+$/, '');
  if (user !== '') return { url: plain, headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` } };
  return { url: plain, headers: token === '' ? {} : { authorization: `Bearer ${token}` } };
}

function progressOf(io: Io): (text: string) => void {
  let last = 0;
  return (text) => {
    const now = Date.now();
    if (now - last < PROGRESS_EVERY_MS) return;
    last = now;
    io.err(`${text}\n`);
  };
}
