import { assigner } from '@millrace/assignment';
import type { Clock, Ids } from '@millrace/kernel';
import type { DeploymentDefinition, ExperimentDefinition } from '../domain/deployment/definitions.js';
import { invalid, isRefusal, Refusal } from '../domain/refusal.js';
import { checkInputs } from '../domain/tensor/check-inputs.js';
import { pickRows, rowsOf, type Tensor } from '../domain/tensor/tensor.js';
import { modelOf, type Slot } from '../models/model-host.js';
import type { ServedModel } from '../models/served-model.js';
import type { Departure, RunResult } from '../runner/batching-queue.js';
import { DEFAULT_PRIORITY, LAST_PRIORITY } from '../runner/priorities.js';
import { mustAnswerAlike, outputNames } from './asked-outputs.js';
import { assembleTensors } from './assemble-tensors.js';
import { eventTimeOf, readEntityRows, type EntityRows } from './entity-rows.js';
import { exposuresOf } from './exposures.js';
import { runOrFallBack, type Ran } from './fallback.js';
import type { FeatureReader, FeatureServiceShape, FeatureVectors } from './feature-vectors.js';
import type { Mirror } from './mirror.js';
import { isRecorded, predictionRecord, recordedUnits, type Answered } from './prediction-record.js';
import { readFeatures, withRequests } from './read-features.js';
import type { AskedByStream, PredictionMade, UnitExposed } from '../domain/prediction/prediction.js';
import { stitch, type Part } from './stitch.js';
import { unitNameOf, unitsOf, unitsSaid, unitsTaken, type UnitSource } from './units.js';

/** What the gateway finds behind a name: a deployment's definition, or a registered model under its own name. */
export interface Served {
  readonly deployment: DeploymentDefinition | undefined;
  readonly slotOf: (reference: string) => Slot | undefined;
  /** Loads a reference that is not loaded now, and waits for it at most so long. */
  readonly load?: (reference: string, waitMs: number) => Promise<void>;
  /** The reference of the version asked for. */
  readonly reference: string;
}

export interface Directory {
  /** Waits at most `waitMs` for a model that has to be loaded first; its own bound when absent, not at all for a deployment when 0. */
  find(name: string, version: string | undefined, waitMs?: number): Promise<Served>;
  /** A version of a registered model that is tried, admitted to serving or not. */
  findToTry(model: string, version: string): Promise<Served>;
  /** By which experiment or rollout a deployment's units are assigned now. */
  splitOf(deployment: DeploymentDefinition): ExperimentDefinition | undefined;
}

export interface InferCommand {
  readonly name: string;
  readonly version: string | undefined;
  readonly id: string | undefined;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: readonly Tensor[];
  /** `undefined`: all. */
  readonly outputs: readonly string[] | undefined;
  readonly traceparent: string | undefined;
  /** Of a caller that may ask for the same again: both records are of one prediction then. A fresh one when absent. */
  readonly predictionId?: string;
  /** Absent of all but streams. */
  readonly askedBy?: AskedByStream;
  /** How long the caller still waits, in milliseconds, where its protocol says so. */
  readonly timeoutMs?: number;
  /** The version is tried, as by a check before its promotion; a policy need not have admitted it. */
  readonly isTrial?: boolean;
  /** Aborted when the client leaves: the request gives up its place in the queue and is recorded as cancelled. */
  readonly signal?: Departure | undefined;
}

export interface Answer {
  readonly predictionId: string;
  readonly model: ServedModel;
  /** Several when an experiment sent rows to several variants. */
  readonly variants: readonly string[];
  readonly outputs: readonly Tensor[];
}

export interface GatewaySink {
  /** Whether there is room for another record, where answering without one is not wanted. */
  takes(): boolean;
  predicted(prediction: PredictionMade, time: number): void;
  exposed(exposure: UnitExposed, time: number): void;
}

/** One answered part of a request, for the statistics: the rows that went to one model. Times are milliseconds. */
export interface RunReport {
  readonly name: string;
  readonly version: number;
  readonly rows: number;
  /** Of the run it was part of. */
  readonly batchRows: number;
  /** From the arrival to the model's queue: features and checks. */
  readonly inputMs: number;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
}

export interface GatewayObserver {
  ran(report: RunReport, time: number): void;
  failed(report: Pick<RunReport, 'name' | 'version'> & { readonly totalMs: number }): void;
}

export interface GatewayOptions {
  readonly directory: Directory;
  readonly features: FeatureReader;
  readonly sink: GatewaySink;
  /** Copies requests to candidates; absent where there are no rollouts. */
  readonly mirror?: Pick<Mirror, 'wants' | 'offer'>;
  readonly observer: GatewayObserver;
  /** Told of every request, recorded or not. */
  readonly answered: (answered: Answered) => void;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Monotonic milliseconds. */
  readonly elapsed: () => number;
  readonly defaultTimeoutMs: number;
  /** Elements of a request's tensors that are kept in its record; larger inputs are left out of it. */
  readonly maxLoggedElements: number;
}

const UNRECORDED = 'the log is away and the records of predictions have no more room; this process answers nothing it cannot record';

/** One row group that goes to one model: all rows, or those of one variant. */
interface Group {
  readonly variant: string | null;
  readonly reference: string;
  readonly rows: readonly number[];
}

/** Answers inference requests: finds the models, reads the features, assigns the variants, runs, records. */
export class Gateway {
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  async infer(command: InferCommand): Promise<Answer> {
    const { directory, features, sink, clock, ids, elapsed } = this.#options;
    const started = elapsed();
    const now = clock.now();
    const timeoutMs = this.#timeoutOf(command);
    if (!sink.takes()) throw new Refusal('MR_INFERENCE_UNRECORDED', UNRECORDED);
    const { name, version } = command;
    const served = await (command.isTrial ? directory.findToTry(name, version ?? '') : directory.find(name, version, timeoutMs));
    const predictionId = command.predictionId ?? ids.next();
    const eventTime = eventTimeOf(command.parameters);
    const { deployment } = served;
    const shape = deployment?.featureService === undefined ? undefined : features.shapeOf(deployment.featureService);
    const context: RequestContext = { command, served, shape, predictionId, started, now, eventTime, deadline: started + timeoutMs };
    const first = served.slotOf(served.reference)?.current;
    const isTensors = first?.inputs.every((input) => command.inputs.some((tensor) => tensor.name === input.name)) ?? false;
    if (deployment?.featureService !== undefined && !shape && !isTensors)
      throw new Refusal('MR_INFERENCE_FEATURES', `feature service ${JSON.stringify(deployment.featureService)} is not known here yet`);
    const entityRows = shape && !isTensors ? readEntityRows(shape, command.inputs, eventTime ?? now) : undefined;
    const count = entityRows?.entities.length ?? (command.inputs[0] ? rowsOf(command.inputs[0]) : 1);
    const experiment = deployment === undefined || command.version !== undefined ? undefined : directory.splitOf(deployment);
    const units = unitsOf(experiment, entityRows, command, count);
    const groups = experiment
      ? this.#assign(context, experiment, units)
      : [{ variant: null, reference: served.reference, rows: range(count) }];
    for (const { reference } of groups)
      if (served.load && !served.slotOf(reference)?.current) await served.load(reference, context.deadline - elapsed());
    const leased = groups.map((group) => {
      const slot = served.slotOf(group.reference);
      return { group, model: slot?.current ?? modelOf(slot, labelOf(command, group)) };
    });
    // Behind the loading: nobody meets a variant that cannot answer.
    for (const { group, model } of leased)
      for (const exposure of exposuresOf(experiment, group, units, deployment, model.version)) sink.exposed(exposure, now);
    const releases = leased.map(({ model }) => model.lease());
    try {
      const works = leased.map(({ group, model }) => ({
        group,
        model,
        experiment,
        units,
        entityRows,
        vectors: undefined,
        isWhole: groups.length === 1,
      }));
      const vectors = entityRows ? await this.#readFeatures(context, works, entityRows) : undefined;
      const fallback = { served, leftMs: () => context.deadline - elapsed(), run: (work: Work) => this.#run(context, work) };
      const answered = await allOf(works.map((work) => runOrFallBack<Work, Part>(fallback, vectors ? { ...work, vectors } : work)));
      const variants = new Set(answered.flatMap(({ work: { group } }) => group.variant ?? []));
      const { model } = (answered[0] as Ran<Work, Part>).work;
      return {
        predictionId,
        model,
        variants: [...variants],
        outputs: stitch(
          answered.map(({ part }) => part),
          count,
        ),
      };
    } finally {
      for (const release of releases) release();
    }
  }

  #assign(context: RequestContext, experiment: ExperimentDefinition, units: readonly (string | null)[]): Group[] {
    const variantOf = this.#isUnready(context, experiment) ? () => null : assigner(experiment);
    const groups = new Map<string | null, number[]>();
    for (const [row, unit] of units.entries()) {
      if (unit === null && !experiment.isRollout)
        throw invalid(
          `deployment ${JSON.stringify(context.command.name)} runs experiment ${JSON.stringify(experiment.name)}: say the unit in parameter "unit"`,
        );
      const variant = unit === null ? null : variantOf(unit);
      const rows = groups.get(variant);
      if (rows) rows.push(row);
      else groups.set(variant, [row]);
    }
    return [...groups].map(([variant, rows]) => {
      const own = experiment.variants.find((item) => item.name === variant)?.model;
      return { variant, rows, reference: own ?? context.served.reference };
    });
  }

  /** A rollout must not fail anybody: while its candidate is not loaded here, it is asked for, and all are answered by the primary and do not count. */
  #isUnready({ served }: RequestContext, { isRollout, variants }: ExperimentDefinition): boolean {
    if (!isRollout) return false;
    let isUnready = false;
    for (const { model } of variants) {
      if (model === undefined || served.slotOf(model)?.current) continue;
      isUnready = true;
      void served.load?.(model, 0);
    }
    return isUnready;
  }

  async #readFeatures(context: RequestContext, works: readonly Work[], rows: EntityRows): Promise<FeatureVectors> {
    try {
      const { features, elapsed } = this.#options;
      return await readFeatures(features, context.served.deployment?.featureService as string, rows, context.deadline - elapsed());
    } catch (refusal) {
      for (const work of works) this.#record(context, work, undefined, refusal);
      throw refusal;
    }
  }

  async #run(context: RequestContext, work: Work): Promise<Part> {
    const { command, deadline } = context;
    const { model, group, experiment, entityRows, vectors, isWhole } = work;
    let result: RunResult | undefined;
    let failure: unknown;
    let queued = 0;
    try {
      const inputs =
        vectors && entityRows
          ? assembleTensors(model, withRequests(vectors, entityRows, group.rows), group.rows, entityRows.entities)
          : checkInputs(model.inputs, command.inputs);
      const own = vectors || isWhole ? inputs : inputs.map((tensor) => pickRows(tensor, group.rows));
      const names = outputNames(model, command.outputs);
      if (group.variant === 'candidate' && experiment?.isRollout) mustAnswerAlike(context.served, model);
      queued = this.#options.elapsed();
      result = await model.queue.run({ inputs: own, outputs: names, deadline, signal: command.signal, priority: priorityOf(command) });
    } catch (error) {
      failure = this.#blamed(context, work, error);
    }
    const answered = this.#record(context, work, result, failure);
    this.#observe(context, work, queued, result);
    if (failure !== undefined) throw asError(failure);
    if (result && isWhole && group.variant === null) this.#mirror(context, work, result, answered);
    return { rows: group.rows, outputs: (result as RunResult).outputs };
  }

  /** A request that a rollout's candidate refuses and the primary takes is the candidate's failure, not the caller's. */
  #blamed({ served, command }: RequestContext, { group, experiment, vectors }: Work, error: unknown): unknown {
    const primary = served.slotOf(served.reference)?.current;
    const isRefused = experiment?.isRollout && group.variant === 'candidate' && isRefusal(error) && error.code === 'MR_INFERENCE_INVALID';
    if (!isRefused || !primary) return error;
    try {
      outputNames(primary, command.outputs);
      if (!vectors) checkInputs(primary.inputs, command.inputs);
    } catch {
      return error;
    }
    return new Refusal('MR_INFERENCE_UNSERVABLE', `the candidate does not take or give what the primary does: ${error.message}`, {
      cause: error,
    });
  }

  #mirror({ served, predictionId, command, eventTime }: RequestContext, work: Work, result: RunResult, answered: Answered): void {
    const { mirror, maxLoggedElements } = this.#options;
    const { group, model, vectors, entityRows } = work;
    if (!served.deployment || !mirror?.wants(served.deployment.name, predictionId)) return;
    const { outputs, computeMs } = result;
    const units = recordedUnits(answered, maxLoggedElements);
    mirror.offer({
      ...{ deployment: served.deployment.name, predictionId, askedBy: command.askedBy, units, primary: model, outputs, computeMs },
      featureTime: entityRows?.at ?? eventTime,
      inputsFor: (target) =>
        vectors && entityRows
          ? assembleTensors(target, withRequests(vectors, entityRows, group.rows))
          : checkInputs(target.inputs, command.inputs),
    });
  }

  #observe({ command, started, now }: RequestContext, { model, group }: Work, queued: number, result: RunResult | undefined): void {
    const { observer, elapsed } = this.#options;
    const of = { name: command.name, version: model.version.version };
    const end = elapsed();
    if (!result) {
      observer.failed({ ...of, totalMs: end - started });
      return;
    }
    const { batchRows, queuedMs: queueMs, computeMs } = result;
    const times = { inputMs: queued - started, queueMs, computeMs, outputMs: Math.max(0, end - queued - queueMs - computeMs) };
    observer.ran({ ...of, rows: Math.max(1, group.rows.length), batchRows, ...times }, now);
  }

  #record(context: RequestContext, work: Work, result: RunResult | undefined, failure: unknown): Answered {
    const { command, served, predictionId, now, started, eventTime } = context;
    const { sink, elapsed, maxLoggedElements } = this.#options;
    const { model, group, experiment, entityRows, vectors, units } = work;
    const answered: Answered = {
      predictionId,
      requestId: command.id,
      askedBy: command.askedBy,
      deployment: served.deployment,
      model,
      experiment,
      variant: group.variant,
      rows: group.rows,
      units,
      unitSource: this.#unitSource(context, work),
      entityRows,
      vectors,
      eventTime,
      tensors: command.inputs,
      result,
      failure,
      latencyMs: elapsed() - started,
      traceparent: command.traceparent,
    };
    this.#options.answered(answered);
    if (isRecorded(answered)) sink.predicted(predictionRecord(answered, maxLoggedElements), now);
    return answered;
  }

  #unitSource({ command, served: { deployment }, shape }: RequestContext, { experiment, entityRows }: Work): UnitSource {
    if (command.parameters['unit'] === undefined) return unitsTaken(unitNameOf(experiment, entityRows, command));
    // A request that names its version is not split, and may name a unit of the experiment all the same.
    return unitsSaid((experiment ?? (deployment && this.#options.directory.splitOf(deployment)))?.unit, deployment?.featureService, shape);
  }

  /** The request's `timeout` (microseconds, as the protocol's schedule policy has it; 0: none), at most what its caller waits and the default. */
  #timeoutOf({ parameters: { timeout = 0 }, timeoutMs = Infinity }: InferCommand): number {
    if (typeof timeout !== 'number' || !(timeout >= 0)) throw invalid('parameter "timeout" must be a positive number of microseconds');
    return Math.min(timeout === 0 ? Infinity : timeout / 1000, timeoutMs, this.#options.defaultTimeoutMs);
  }
}

function priorityOf({ parameters: { priority = 0 } }: InferCommand): number {
  if (typeof priority !== 'number' || !Number.isInteger(priority) || priority < 0 || priority > LAST_PRIORITY)
    throw invalid(
      `parameter "priority" is ${JSON.stringify(priority)}; it must be a whole number from 0 to ${LAST_PRIORITY}: 1 goes first, ${LAST_PRIORITY} last, 0 is the default (${DEFAULT_PRIORITY})`,
    );
  return priority === 0 ? DEFAULT_PRIORITY : priority;
}

interface RequestContext {
  readonly command: InferCommand;
  readonly served: Served;
  readonly shape: FeatureServiceShape | undefined;
  readonly predictionId: string;
  readonly started: number;
  readonly now: number;
  /** As the request says it. */
  readonly eventTime: number | null;
  readonly deadline: number;
}

interface Work {
  readonly group: Group;
  readonly model: ServedModel;
  readonly experiment: ExperimentDefinition | undefined;
  readonly units: readonly (string | null)[];
  readonly entityRows: EntityRows | undefined;
  readonly vectors: FeatureVectors | undefined;
  readonly isWhole: boolean;
}

/** Nearly always there is one, and nothing to be waited for together. */
async function allOf<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  return promises.length === 1 ? [await (promises[0] as Promise<T>)] : Promise.all(promises);
}

function labelOf(command: InferCommand, group: Group): string {
  return group.variant === null
    ? `model ${JSON.stringify(command.name)}`
    : `variant ${JSON.stringify(group.variant)} of ${JSON.stringify(command.name)}`;
}

function asError(failure: unknown): Error {
  return failure instanceof Error ? failure : new Refusal('MR_INFERENCE_FAILED', String(failure));
}

const ONE_ROW: readonly number[] = [0];

function range(count: number): readonly number[] {
  return count === 1 ? ONE_ROW : Array.from({ length: count }, (_, index) => index);
}
