import {
  assembleRows,
  countRows,
  gate,
  GATE_DEFAULTS,
  inlineExternalData,
  measureModels,
  metadataOf,
  optimizeModel,
  randomRows,
  readModel,
  signatureOf,
  stripZipMap,
  type FileBeside,
  type GateFailure,
  type GateThresholds,
  type Measurement,
  type ModelSignature,
  type OptimizeStep,
  type Rows,
  type Truth,
} from '@millrace/onnx';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { isRefused, type MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import type { Io } from '../io.js';
import { resolveVersion, type VersionReference } from '../optimize/model-reference.js';
import { inDoubles, rowsOfFile, rowsOfLog } from '../optimize/recorded-rows.js';
import { MADE_UP, parentOf, registerOptimized } from '../optimize/register-optimized.js';
import { tellMeasurement } from '../optimize/tell-measurement.js';
import { readVersion, storeFiles, withGraph } from '../optimize/version-files.js';

export interface OptimizeModelOptions {
  readonly clean?: boolean;
  readonly prune?: string;
  readonly dynamicInt8?: boolean;
  readonly perChannel?: boolean;
  readonly reduceRange?: boolean;
  readonly weights?: 'int8' | 'fp16';
  readonly minElements?: string;
  readonly candidate?: string;
  readonly method?: string;
  readonly run?: string;
  readonly rows?: string;
  readonly randomRows?: string;
  readonly most: string;
  readonly label: string;
  readonly minRows?: string;
  readonly minAgreement?: string;
  readonly maxRelativeError?: string;
  readonly maxAccuracyLoss?: string;
  readonly maxError?: string;
  readonly maxSizeRatio?: string;
  readonly maxLatencyRatio?: string;
  readonly dryRun?: boolean;
  readonly output: string;
}

const RANDOM_SEED = 1;

/**
 * Makes a model of a registered version by the steps asked for, or takes one that was made elsewhere, measures both on the same rows, and registers it as a new
 * version derived from the old one when the gate lets it. False, and nothing registered, when it does not.
 */
export async function optimizeVersion(client: MillraceClient, io: Io, reference: string, options: OptimizeModelOptions): Promise<boolean> {
  const steps = stepsOf(options);
  const thresholds = thresholdsOf(options, steps);
  if (options.run !== undefined) await checkRun(client, options.run);
  const parent = await resolveVersion(client, reference);
  const files = await readVersion(client, io, parent);
  const signature = signatureIn(files.bytes, `${parent.name} version ${parent.version}`);
  const { bytes, changes, method } =
    options.candidate === undefined ? await made(client, parent, files.bytes, steps) : await taken(options.candidate, options);
  if (options.candidate !== undefined) sameSignature(signature, signatureIn(bytes, options.candidate), options.candidate);
  const { rows, truths, from } = await rowsFor(client, io, parent, files.bytes, signature, options);
  const measured = await measure(files.bytes, bytes, rows, truths);
  const failures = gate(measured, thresholds);
  let registered: { version: number; isNew: boolean } | undefined;
  if (failures.length === 0 && !options.dryRun) {
    const source = await storeFiles(client, parent.name, withGraph(files, bytes));
    registered = await registerOptimized(client, { parent, source, runId: options.run, method, changes, measured, rowsFrom: from });
  }
  const result = { parent, method, changes, rowsFrom: from, measured, failures, registered };
  if (options.output === 'json') io.out(`${JSON.stringify(result, null, 2)}\n`);
  else tell(io, result, options.dryRun ?? false);
  return failures.length === 0;
}

function stepsOf(options: OptimizeModelOptions): OptimizeStep[] {
  const { clean, prune, dynamicInt8, perChannel, reduceRange, weights, candidate } = options;
  const least = options.minElements === undefined ? {} : { minElements: numberOf(options.minElements, '--min-elements', 1) };
  const steps: OptimizeStep[] = [];
  if (clean) steps.push({ pass: 'clean' });
  if (prune !== undefined) {
    const keep = numberOf(prune, '--prune', 0, 1);
    if (keep === 0 || keep === 1)
      throw new CliError('--prune is the share of hidden units to keep, between 0 and 1, such as 0.5', EXIT.usage);
    steps.push({ pass: 'prune', keep });
  }
  if (dynamicInt8)
    steps.push({ pass: 'dynamic-int8', ...least, ...(perChannel ? { perChannel } : {}), ...(reduceRange ? { reduceRange } : {}) });
  else if (perChannel || reduceRange) throw new CliError('--per-channel and --reduce-range are of --dynamic-int8', EXIT.usage);
  if (weights !== undefined) steps.push({ pass: 'weights', type: weights, ...least });
  if ((steps.length === 0) === (candidate === undefined)) {
    const all = '--clean, --prune, --dynamic-int8, --weights';
    throw new CliError(`say what is to be done (${all}), or give what was made elsewhere with --candidate; not both`, EXIT.usage);
  }
  return steps;
}

function thresholdsOf(options: OptimizeModelOptions, steps: readonly OptimizeStep[]): GateThresholds {
  // What is done for speed has to be faster; what is done for size may take as long as before, and a tenth more by chance.
  const forSpeed = steps.some(({ pass }) => pass === 'dynamic-int8' || pass === 'prune');
  const optional = (text: string | undefined, name: string, otherwise: number, most = Infinity): number =>
    text === undefined ? otherwise : numberOf(text, name, 0, most);
  const { maxError } = options;
  return {
    minRows: optional(options.minRows, '--min-rows', GATE_DEFAULTS.minRows),
    minAgreement: optional(options.minAgreement, '--min-agreement', GATE_DEFAULTS.minAgreement, 1),
    maxRelativeError: optional(options.maxRelativeError, '--max-relative-error', GATE_DEFAULTS.maxRelativeError),
    maxAccuracyLoss: optional(options.maxAccuracyLoss, '--max-accuracy-loss', GATE_DEFAULTS.maxAccuracyLoss),
    maxSizeRatio: optional(options.maxSizeRatio, '--max-size-ratio', GATE_DEFAULTS.maxSizeRatio),
    maxLatencyRatio: optional(options.maxLatencyRatio, '--max-latency-ratio', forSpeed ? 1 : GATE_DEFAULTS.maxLatencyRatio),
    ...(maxError === undefined ? {} : { maxError: numberOf(maxError, '--max-error', 0) }),
  };
}

function numberOf(text: string, option: string, least: number, most = Infinity): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new CliError(`${option} ${text} is not a number from ${least}${most === Infinity ? '' : ` to ${most}`}`, EXIT.usage);
}

interface Made {
  readonly bytes: Uint8Array;
  readonly changes: readonly string[];
  readonly method: string;
}

/** The version says which run it was made in: one that is there. */
async function checkRun(client: MillraceClient, run: string): Promise<void> {
  try {
    await client.json('GET', `/api/2.0/mlflow/runs/get?${new URLSearchParams({ run_id: run }).toString()}`);
  } catch (cause) {
    if (!isRefused(cause) || (cause.problem.status !== 404 && cause.problem.status !== 400)) throw cause;
    throw new CliError(
      `--run ${JSON.stringify(run)} is no run of ${client.server}; give the id of the one that made the candidate`,
      EXIT.refused,
      {
        cause,
      },
    );
  }
}

async function made(client: MillraceClient, from: VersionReference, bytes: Uint8Array, steps: readonly OptimizeStep[]): Promise<Made> {
  const outcome = optimizeModel(bytes, steps);
  if (outcome.kind === 'rejected') {
    const parent = await parentOf(client, from);
    const hint =
      parent === undefined ? '' : `; version ${from.version} is made of version ${parent} itself: say ${from.name}@${parent} for that one`;
    throw new CliError(`${outcome.rejection.message}${hint}`, EXIT.found);
  }
  return { bytes: outcome.bytes, changes: outcome.changes, method: steps.map(({ pass }) => pass).join(' + ') };
}

async function taken(path: string, { method = 'candidate' }: OptimizeModelOptions): Promise<Made> {
  try {
    const { bytes } = inlineExternalData(new Uint8Array(await readFile(path)), filesIn(dirname(resolve(path))));
    return { bytes, changes: [`${method}: made elsewhere`], method };
  } catch (cause) {
    throw new CliError(`--candidate ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, {
      cause,
    });
  }
}

/** Files of a folder and those below it, each read once. */
function filesIn(folder: string): FileBeside {
  const files = new Map<string, Uint8Array | undefined>();
  return (location) => {
    const file = resolve(folder, location);
    if (!file.startsWith(`${folder}${sep}`)) return undefined;
    if (!files.has(file)) files.set(file, existsSync(file) ? readFileSync(file) : undefined);
    return files.get(file);
  };
}

/** Who asks the one has to be able to ask the other. */
function sameSignature(parent: ModelSignature, child: ModelSignature, path: string): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const [wanted, given] = [parent[side], child[side]].map((list) =>
      list
        .map(({ name, datatype }) => `${name} ${datatype}`)
        .sort()
        .join(', '),
    );
    if (wanted !== given)
      throw new CliError(`--candidate ${path} has the ${side} ${given}, its parent ${wanted}; they have to be the same`, EXIT.found);
  }
}

/** Rows to measure with: of the file or made up when asked for, else of the prediction log. */
async function rowsFor(
  client: MillraceClient,
  io: Io,
  parent: VersionReference,
  bytes: Uint8Array,
  signature: ModelSignature,
  options: OptimizeModelOptions,
): Promise<{ rows: readonly Rows[]; truths: readonly (Truth | undefined)[]; from: string }> {
  const fixed = signature.inputs.find(({ shape }) => shape !== undefined && shape[0] !== -1);
  if (fixed) {
    const message = `input ${JSON.stringify(fixed.name)} takes a fixed number of rows; export the model with a free first dimension, as the gateway needs it to batch`;
    throw new CliError(message, EXIT.found);
  }
  if (options.randomRows !== undefined) {
    const rows = randomRows(signature, numberOf(options.randomRows, '--random-rows', 1, 1e6), RANDOM_SEED);
    if (!rows)
      throw new CliError('rows cannot be made up for this model: an input takes texts or has an open dimension; give --rows', EXIT.found);
    io.err('warning: measured on made-up rows; how the answers differ on real requests is not known\n');
    return { rows, truths: [], from: `${countRows(rows)} ${MADE_UP}` };
  }
  const most = numberOf(options.most, '--most', 1, 1e6);
  const recorded =
    options.rows === undefined
      ? inDoubles(await rowsOfLog(client, parent.name, most, options.label))
      : (await rowsOfFile(options.rows)).slice(0, most);
  const place = options.rows ?? 'the prediction log';
  const { rows, truths, used, skipped, problem } = assembleRows(signature, metadataOf(readModel(bytes)), recorded);
  if (used === 0) {
    const reason = problem === undefined ? `there are no rows of ${parent.name} in ${place}` : `no row of ${place} fits: ${problem}`;
    throw new CliError(`${reason}. Give --rows FILE, or --random-rows 1000 to measure with made-up ones`, EXIT.found);
  }
  if (skipped > 0) io.err(`${skipped} of ${recorded.length} rows of ${place} do not fit and are left out: ${problem}\n`);
  return { rows, truths, from: `${used} rows of ${place}` };
}

async function measure(
  parent: Uint8Array,
  child: Uint8Array,
  rows: readonly Rows[],
  truths: readonly (Truth | undefined)[],
): Promise<Measurement> {
  // The runtime is large and native: who asks for a list of keys does not load it.
  const { openModel } = await import('@millrace/onnx/runtime');
  try {
    return await measureModels(parent, child, rows, { open: openModel, now: () => performance.now(), truths });
  } catch (cause) {
    throw new CliError(`the models cannot be compared: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.found, { cause });
  }
}

function signatureIn(bytes: Uint8Array, what: string): ModelSignature {
  try {
    const model = readModel(bytes);
    // As the gateway serves it: a candidate that gives the tensor at once is the same to who asks.
    stripZipMap(model);
    return signatureOf(model);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'MR_ONNX_UNREADABLE') throw cause;
    throw new CliError(`${what}: ${(cause as Error).message}`, EXIT.found, { cause });
  }
}

interface Result {
  readonly parent: VersionReference;
  readonly method: string;
  readonly changes: readonly string[];
  readonly rowsFrom: string;
  readonly measured: Measurement;
  readonly failures: readonly GateFailure[];
  readonly registered: { readonly version: number; readonly isNew: boolean } | undefined;
}

function tell(io: Io, { parent, changes, rowsFrom, measured, failures, registered }: Result, isDryRun: boolean): void {
  for (const change of changes) io.out(`${change}\n`);
  tellMeasurement(io, measured, rowsFrom);
  const label = `${parent.name} version ${parent.version}`;
  if (failures.length > 0) {
    for (const { message } of failures) io.out(`refused: ${message}\n`);
    io.out(`nothing was registered; ${label} stays as it is\n`);
  } else if (isDryRun) io.out('it may be registered; nothing was, as --dry-run asks\n');
  else if (registered?.isNew) io.out(`${parent.name} version ${registered.version} registered, derived from version ${parent.version}\n`);
  else io.out(`${parent.name} version ${registered?.version ?? ''} is the same already\n`);
}
