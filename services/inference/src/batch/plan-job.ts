import { createHash } from 'node:crypto';
import { canonical, type CommandMetadata } from '@millrace/kernel';
import { parquetColumn } from '@millrace/offline-store';
import type { BatchInput, BatchJobRequested } from '../domain/batch-job/batch-job.events.js';
import { invalid, isRefusal, Refusal } from '../domain/refusal.js';
import type { ModelVersion, Resolved } from '../domain/registry/model-reference.js';
import type { TensorLayout } from '../gateway/assemble-tensors.js';
import type { Served } from '../gateway/gateway.js';
import { batchFault } from './batch-fault.js';
import type { BatchJobInput } from './batch-job-request.js';
import {
  checkEntityColumns,
  checkFeatureNames,
  checkModelColumns,
  checkNames,
  checkNested,
  checkServedFeatures,
  checkWritten,
  hasAllColumns,
  outputColumns,
} from './check-columns.js';
import { checkTexts } from './check-texts.js';
import { withNewInput, type StagedInput } from './job-input.js';
import { readRows } from './read-rows.js';
import { pinnedModel, readColumns, type RunHost } from './run-job.js';
import { fixedRows } from './score-rows.js';

export interface PlanHost extends RunHost {
  /** What a model's reference means now. */
  readonly resolve: (reference: string) => Resolved;
  /** Resolves when what is on the logs of the registry and of the resources is known here. */
  readonly barrier: () => Promise<void>;
  /** Rows of a run of the model. */
  readonly runRows: number;
  /** Rows of a chunk, unless the job says another number. */
  readonly chunkRows: number;
}

/** The rows that are looked at for a first one whose keys can be read. */
const PROBED_ROWS = 100;
/** Raised when the same request gives other values than before: 2 for columns that are written as text, which jobs of format 1 wrote as bytes or numbers. */
const [FORMAT, TEXT_FORMAT] = [1, 2] as const;

/**
 * What a job will compute: the version its reference names now, its rows where they are kept, and the columns that go where. Everything that can be wrong with
 * these is told before anything runs. The id is the digest of it; where features are read as of now, of the command as well, because they will be others.
 */
export async function planJob(host: PlanHost, input: BatchJobInput, metadata: CommandMetadata): Promise<BatchJobRequested> {
  const target = await targetOf(host, input);
  const { name, version, digest } = target.version;
  const model = await pinnedModel(host.directory, { model: name, version, digest });
  const layout: TensorLayout = { inputs: model.inputs, features: input.features ?? model.features };
  checkFeatureNames(layout, input.features !== undefined);
  const outputs = input.outputs ?? model.outputs.map((output) => output.name);
  const values = outputColumns(model.outputs, outputs, input.prefix);
  return withNewInput(host, input.input, async (staged, keep) => {
    const isOnline = input.featureService !== undefined || (target.featureService !== undefined && !hasAllColumns(layout, staged.columns));
    const featureService = isOnline ? (input.featureService ?? target.featureService ?? null) : null;
    checkNested(staged, layout, input.keep);
    if (featureService === null) checkModelColumns(layout, staged.columns);
    const featureTime = featureService === null ? null : (input.eventTime ?? metadata.now);
    if (featureService !== null) await checkFeatures(host, layout, featureService, staged, featureTime as number);
    if (featureService === null && input.eventTime !== undefined)
      throw batchFault('eventTime is for features that are read online, and all that the model takes is among the columns');
    const kept = input.keep ?? staged.columns.map((column) => column.name);
    const own = [...values.map((column) => column.name), ...(input.onRowError === 'column' ? [`${input.prefix}error`] : [])];
    checkNames(kept, staged.columns, own);
    checkWritten(kept, staged.columns);
    await checkTexts(host.store, staged, kept);
    // Where a row's answer depends on those it is run with, each is run by itself: it is the one a request gets, whatever rows stand beside it.
    const runRows = fixedRows(model.inputs) ?? (model.mixesRows ? 1 : host.runRows);
    const { prefix, onRowError, log, sampleRate, output } = input;
    const job = {
      ...{ deployment: target.deployment, model: name, version, digest },
      input: await keep(),
      columns: staged.columns,
      rows: staged.rows,
      features: input.features ?? null,
      ...{ featureService, featureTime, outputs, prefix },
      keep: kept,
      runRows,
      // Whole runs, so that where a chunk ends does not change how rows are run together.
      chunkRows: Math.ceil((input.chunkRows ?? host.chunkRows) / runRows) * runRows,
      ...{ onRowError, log, sampleRate, output },
    };
    const { chunkRows: _chunkRows, input: rows, featureTime: at, ...settings } = job;
    const asked = isOnline && input.eventTime === undefined ? { command: metadata.commandId, actor: metadata.actor } : { featureTime: at };
    const isAsText = job.columns.some(({ name, type }) => kept.includes(name) && parquetColumn('', type)?.type !== type);
    const content = {
      format: isAsText ? TEXT_FORMAT : FORMAT,
      ...settings,
      modelId: target.version.modelId,
      input: identityOf(rows),
      ...asked,
    };
    const batchJobId = createHash('sha256').update(canonical(content)).digest('hex').slice(0, 32);
    return { batchJobId, ...job };
  });
}

interface Target {
  readonly deployment: string | null;
  readonly featureService: string | undefined;
  readonly version: ModelVersion;
}

async function targetOf({ directory, resolve, barrier }: PlanHost, { deployment, model }: BatchJobInput): Promise<Target> {
  await barrier();
  let served: Served | undefined;
  if (deployment !== undefined) {
    served = await directory.find(deployment, undefined);
    if (!served.deployment)
      throw new Refusal('MR_INFERENCE_UNKNOWN_MODEL', `there is no deployment ${JSON.stringify(deployment)}; a model is named in "model"`);
  }
  const reference = served?.deployment?.model ?? model ?? '';
  const resolved = resolve(reference);
  if (!resolved.ok) throw new Refusal(resolved.isNotAdmitted ? 'MR_INFERENCE_NOT_ADMITTED' : 'MR_INFERENCE_UNKNOWN_MODEL', resolved.reason);
  return { deployment: served?.deployment?.name ?? null, featureService: served?.deployment?.featureService, version: resolved.version };
}

/** Reads the features of the first row that has keys, to see that they are what the model takes. */
async function checkFeatures(host: PlanHost, layout: TensorLayout, featureService: string, staged: StagedInput, at: number): Promise<void> {
  const shape = host.features.shapeOf(featureService);
  if (!shape) throw new Refusal('MR_INFERENCE_FEATURES', `feature service ${JSON.stringify(featureService)} is not known here yet`);
  checkEntityColumns(shape, featureService, staged.columns);
  const names = readColumns(layout, shape, staged.columns);
  for (const { values } of await readRows(host.store, staged, names, 0, Math.min(staged.rows, PROBED_ROWS))) {
    const keys = shape.joinKeys.map(({ name, parse }) => [name, parse(values.get(name) ?? null)] as const);
    const requests = shape.requestFeatures.map(({ name, parse }) => [name, parse(values.get(name) ?? null)] as const);
    if ([...keys, ...requests].some(([, value]) => value === undefined)) continue;
    const entity = Object.fromEntries(keys) as Record<string, string>;
    const request = Object.fromEntries(requests) as Record<string, string>;
    const vectors = await host.features.read(featureService, [entity], [request], at).catch((error: unknown) => {
      // A value that is too old for one row says nothing of the others.
      if (isRefusal(error) && error.code === 'MR_INFERENCE_INVALID') return undefined;
      throw error;
    });
    if (!vectors) continue;
    checkServedFeatures(layout, featureService, new Set([...(vectors.rows[0]?.keys() ?? []), ...Object.keys(request)]));
    return;
  }
  throw invalid(
    `none of the first ${Math.min(staged.rows, PROBED_ROWS)} rows has join keys and request features of feature service ${featureService} that can be read`,
  );
}

/** What of an input says which rows it has. */
function identityOf(input: BatchInput): unknown {
  return { kind: input.kind === 'file' ? input.format : input.kind, digest: input.digest };
}
