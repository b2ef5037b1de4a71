import { outputId, type OutputPlace } from '@millrace/contracts';
import { jsonValue, type SourceEvent } from '@millrace/feature-engine';
import type { Ids } from '@millrace/kernel';
import { isRefusal, Refusal, type RefusalCode } from '../domain/refusal.js';
import type { StreamPredicted } from '../domain/stream/stream-output.js';
import { describeRows } from '../gateway/describe-rows.js';
import type { FeatureReader } from '../gateway/feature-vectors.js';
import type { Answer, Directory, Gateway } from '../gateway/gateway.js';
import { modelOf } from '../models/model-host.js';
import { requestMaker, type Asked, type EventRequest } from './event-request.js';
import type { StreamPlan } from './stream-plan.js';

export interface PredictingOptions {
  readonly gateway: Pick<Gateway, 'infer'>;
  readonly directory: Pick<Directory, 'find'> & { deployments(): readonly { readonly name: string }[] };
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

export type PredictEvent = (event: SourceEvent) => Promise<EventOutcome>;

/** How the events of a batch are predicted as the deployment is now. Throws a refusal when none of them can be. */
export async function eventPredictor(options: PredictingOptions, plan: StreamPlan): Promise<PredictEvent> {
  const make = requestMaker(plan, await askedOf(options, plan.deployment));
  return async (event) => {
    const { stream, generation, topic } = { stream: plan.name, generation: plan.generation, topic: plan.source.topic };
    const place = { stream, generation, topic, partition: event.partition, offset: event.offset };
    try {
      const answer = await options.gateway.infer(commandOf(options, plan, place, make(event)));
      return { kind: 'output', place, data: outputOf(plan, place, event, answer) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const code = isRefusal(error) ? error.code : undefined;
      return code && OF_THE_EVENT.includes(code) ? { kind: 'letter', reason: `${code}: ${reason}` } : { kind: 'again', reason, code };
    }
  };
}

async function askedOf({ directory, features }: PredictingOptions, deployment: string): Promise<Asked> {
  // A registered model may have the name too, and is something else.
  if (!directory.deployments().some(({ name }) => name === deployment))
    throw new Refusal('MR_INFERENCE_UNKNOWN_MODEL', `Deployment ${deployment} is not there; apply it`);
  const served = await directory.find(deployment, undefined, LOAD_WAIT_MS);
  const featureService = served.deployment?.featureService;
  const model = modelOf(served.slotOf(served.reference), `model of Deployment ${deployment}`);
  if (featureService === undefined) return { layout: model };
  const shape = features.shapeOf(featureService);
  if (!shape) throw new Refusal('MR_INFERENCE_FEATURES', `FeatureService ${featureService} is not known here yet`);
  return { shape, featureService };
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
