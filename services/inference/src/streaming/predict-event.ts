import { outputId, type OutputPlace } from '@millrace/contracts';
import { jsonValue, type SourceEvent } from '@millrace/feature-engine';
import type { Ids } from '@millrace/kernel';
import type { ExperimentDefinition } from '../domain/deployment/definitions.js';
import { isRefusal, Refusal, type RefusalCode } from '../domain/refusal.js';
import type { StreamPredicted } from '../domain/stream/stream-output.js';
import { describeRows } from '../gateway/describe-rows.js';
import type { FeatureReader } from '../gateway/feature-vectors.js';
import type { Answer, Directory, Gateway, Served } from '../gateway/gateway.js';
import { modelOf } from '../models/model-host.js';
import type { ServedModel } from '../models/served-model.js';
import { requestMaker, type Asked, type EventRequest } from './event-request.js';
import type { StreamPlan } from './stream-plan.js';

export interface PredictingOptions {
  readonly gateway: Pick<Gateway, 'infer'>;
  readonly directory: Directory & { deployments(): readonly { readonly name: string }[] };
  readonly features: Pick<FeatureReader, 'shapeOf'>;
  readonly ids: Ids;
}

/** What became of an event: it has an output, or never will, or is to be tried again because the trouble is not its own. */
export type EventOutcome =
  | { readonly kind: 'output'; readonly place: OutputPlace; readonly data: StreamPredicted }
  | { readonly kind: 'letter'; readonly reason: string }
  | { readonly kind: 'again'; readonly reason: string; readonly code: RefusalCode | undefined };

/** What is about the event itself, and would be so whenever it is tried. All else passes, or is for somebody to mend. */
const OF_THE_EVENT: readonly RefusalCode[] = ['MR_INFERENCE_INVALID', 'MR_INFERENCE_FAILED'];
/** A deployment whose model is not there is asked for once a batch, and its requests do not wait. */
const LOAD_WAIT_MS = 5_000;

/** `mayRepeat`: whether the event may have been predicted before. */
export type PredictEvent = (event: SourceEvent, mayRepeat: boolean) => Promise<EventOutcome>;

/** What a deployment's events are asked with, and the models that may answer them. */
interface Asking {
  readonly asked: Asked;
  readonly models: readonly ServedModel[];
}

/**
 * How the events of a batch are predicted as the deployment is now. Throws a refusal when none of them can be: `MR_INFERENCE_UNSERVABLE`, which names
 * the input or the output, where the stream and the model do not go together.
 */
export async function eventPredictor(options: PredictingOptions, plan: StreamPlan): Promise<PredictEvent> {
  const { asked, models } = await askingOf(options, plan);
  const make = requestMaker(plan, asked);
  return async (event, mayRepeat) => {
    const { stream, generation, topic } = { stream: plan.name, generation: plan.generation, topic: plan.source.topic };
    const place = { stream, generation, topic, partition: event.partition, offset: event.offset };
    try {
      const askedBy = { stream, ...(mayRepeat ? { mayRepeat } : {}) };
      const answer = await options.gateway.infer({ ...commandOf(options, plan, place, make(event)), askedBy });
      return { kind: 'output', place, data: outputOf(plan, place, event, answer) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const code = isRefusal(error) ? error.code : undefined;
      if (!code || !OF_THE_EVENT.includes(code)) return { kind: 'again', reason, code };
      const changed = await changeSince(options, plan, models);
      return changed === undefined ? { kind: 'letter', reason: `${code}: ${reason}` } : { kind: 'again', reason: changed, code: undefined };
    }
  };
}

/** Whether other models answer by now than an event was asked for: then its request was made for another, and it is not the event's fault. */
async function changeSince(options: PredictingOptions, plan: StreamPlan, before: readonly ServedModel[]): Promise<string | undefined> {
  try {
    const { models } = await askingOf(options, plan);
    const isSame = models.length === before.length && models.every((model, index) => model === before[index]);
    return isSame ? undefined : `the model of Deployment ${plan.deployment} changed meanwhile`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function askingOf({ directory, features }: PredictingOptions, plan: StreamPlan): Promise<Asking> {
  const { deployment } = plan;
  // A registered model may have the name too, and is something else.
  if (!directory.deployments().some(({ name }) => name === deployment))
    throw new Refusal('MR_INFERENCE_UNKNOWN_MODEL', `Deployment ${deployment} is not there; apply it`);
  const served = await directory.find(deployment, undefined, LOAD_WAIT_MS);
  const featureService = served.deployment?.featureService;
  const model = modelOf(served.slotOf(served.reference), `model of Deployment ${deployment}`);
  const models = [model, ...variantsOf(directory, served)];
  for (const each of models) checkOutputs(plan, each);
  const experiment = served.deployment && directory.splitOf(served.deployment);
  if (featureService === undefined) {
    checkUnit(
      plan,
      experiment,
      model.inputs.map(({ name }) => name),
    );
    return { asked: { layout: model }, models };
  }
  const shape = features.shapeOf(featureService);
  if (!shape) throw new Refusal('MR_INFERENCE_FEATURES', `FeatureService ${featureService} is not known here yet`);
  checkUnit(
    plan,
    experiment,
    [...shape.joinKeys, ...shape.requestFeatures].map(({ name }) => name),
  );
  return { asked: { shape, featureService }, models };
}

/** Those of an experiment that are loaded; a rollout's candidate that does not give what the primary does is refused by the gateway as its own fault. */
function variantsOf(directory: Directory, { deployment, slotOf }: Served): ServedModel[] {
  const experiment = deployment && directory.splitOf(deployment);
  if (!experiment || experiment.isRollout) return [];
  return experiment.variants.flatMap(({ model }) => (model === undefined ? [] : (slotOf(model)?.current ?? [])));
}

/** Where no request can say whom the experiment assigns, nothing is wrong with the events: they wait until the stream or the experiment is mended. */
function checkUnit(
  { unit, source, deployment }: StreamPlan,
  experiment: ExperimentDefinition | undefined,
  inputs: readonly string[],
): void {
  // Of an experiment; a rollout assigns nobody where it is not said whom.
  const assigned = experiment?.isRollout ? undefined : experiment?.unit;
  if (experiment === undefined || assigned === undefined || unit !== undefined || inputs.includes(assigned)) return;
  throw new Refusal(
    'MR_INFERENCE_UNSERVABLE',
    `Deployment ${deployment} runs Experiment ${experiment.name}, which assigns ${assigned}; say in spec.unit of the stream which column of Source ${source.name} that is`,
  );
}

function checkOutputs({ outputs = [] }: StreamPlan, { version: { name, version }, outputNames }: ServedModel): void {
  const unknown = outputs.find((output) => !outputNames.includes(output));
  if (unknown === undefined) return;
  const given = outputNames.map((output) => JSON.stringify(output)).join(', ');
  throw new Refusal(
    'MR_INFERENCE_UNSERVABLE',
    `output ${JSON.stringify(unknown)} of spec.output.outputs is not one of model ${name} version ${version}, which gives ${given}; name these in the stream, or leave outputs out for all`,
  );
}

function commandOf({ ids }: PredictingOptions, plan: StreamPlan, place: OutputPlace, { inputs, parameters }: EventRequest) {
  const id = outputId(place);
  // The same event again is the same prediction, so its records can be told to be one.
  const predictionId = ids.derived(id, 'prediction');
  return {
    ...{ name: plan.deployment, version: undefined, id, predictionId, parameters, inputs },
    ...{ outputs: plan.outputs, traceparent: undefined },
  };
}

function outputOf(plan: StreamPlan, place: OutputPlace, event: SourceEvent, answer: Answer): StreamPredicted {
  const [row] = describeRows([0], {
    ...{ units: [null], entityRows: undefined, vectors: undefined, tensors: undefined, outputs: answer.outputs, maxElements: Infinity },
  });
  const { stream, generation, topic, partition, offset } = place;
  const columns = plan.columns.map((column) => [plan.source.columns[column]?.name ?? '', jsonValue(event.values[column] ?? null)]);
  return {
    ...{ stream, generation, input: { topic, partition, offset, time: event.time } },
    columns: Object.fromEntries(columns) as StreamPredicted['columns'],
    outputs: row?.outputs ?? {},
    predictionId: answer.predictionId,
    deployment: plan.deployment,
    model: answer.model.version.name,
    version: answer.model.version.version,
    variant: answer.variants[0] ?? null,
  };
}
