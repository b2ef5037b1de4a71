import type { SourceEvent, Value } from '@millrace/feature-engine';
import { Refusal } from '../domain/refusal.js';
import type { Tensor, TensorData } from '../domain/tensor/tensor.js';
import { fixedRows } from '../batch/score-rows.js';
import { assembleTensors, columnsOf, nameIn, type TensorLayout } from '../gateway/assemble-tensors.js';
import type { FeatureServiceShape, FeatureValue } from '../gateway/feature-vectors.js';
import type { StreamPlan } from './stream-plan.js';

/** What a request of the gateway is made of. */
export interface EventRequest {
  readonly inputs: readonly Tensor[];
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** What the deployment is asked with: entity keys, where it has a feature service, or what its model takes. */
export type Asked = { readonly shape: FeatureServiceShape; readonly featureService: string } | { readonly layout: TensorLayout };

/** Behind the requests of callers who wait: the last of all that the gateway tells apart. */
const PRIORITY = 9;
const HIGHEST_INT64 = 2n ** 63n - 1n;

/**
 * How an event becomes a request. Throws `MR_INFERENCE_UNSERVABLE`, which names the input, where no event could become one: then the definitions have
 * to be mended, and nothing is wrong with the events. What the function it gives throws is about the event.
 */
export function requestMaker(plan: StreamPlan, asked: Asked): (event: SourceEvent) => EventRequest {
  const make = 'shape' in asked ? entityInputs(plan, asked) : tensorInputs(plan, asked.layout);
  const isTimed = 'shape' in asked && plan.isAsOfEvent;
  return (event) => ({ inputs: make(event), parameters: parametersOf(plan, event, isTimed) });
}

function parametersOf({ unit: column }: StreamPlan, event: SourceEvent, isTimed: boolean): EventRequest['parameters'] {
  const unit = column === undefined ? null : (event.values[column] ?? null);
  return { priority: PRIORITY, ...(isTimed ? { event_time: event.time } : {}), ...(unit === null ? {} : { unit: String(unit) }) };
}

function entityInputs(plan: StreamPlan, { shape, featureService }: { shape: FeatureServiceShape; featureService: string }) {
  const wanted = [...shape.joinKeys, ...shape.requestFeatures].map(({ name }) => ({ name, column: plan.inputs.get(name) }));
  const missing = wanted.flatMap(({ name, column }) => (column === undefined ? [JSON.stringify(name)] : []));
  if (missing.length > 0) throw unfit(plan, `feature service ${featureService} takes ${missing.join(', ')}`);
  return (event: SourceEvent): Tensor[] => wanted.map(({ name, column }) => scalar(name, event.values[column as number] ?? null));
}

function tensorInputs(plan: StreamPlan, layout: TensorLayout) {
  const names = columnsOf(layout).flatMap(({ columns }) => columns);
  const missing = names.filter((name) => nameIn(name, (given) => plan.inputs.has(given)) === undefined);
  if (missing.length > 0) throw unfit(plan, `the model takes ${missing.map((name) => JSON.stringify(name)).join(', ')}`);
  const rows = fixedRows(layout.inputs) ?? 1;
  if (rows !== 1)
    throw new Refusal(
      'MR_INFERENCE_UNSERVABLE',
      `the model takes ${rows} rows and no other number; a stream asks for one event at a time: export the model with a free first dimension`,
    );
  return (event: SourceEvent): Tensor[] => {
    const row = new Map<string, FeatureValue>();
    for (const [name, column] of plan.inputs) row.set(name, event.values[column] ?? null);
    return assembleTensors(layout, [row]);
  };
}

function unfit({ source }: StreamPlan, what: string): Refusal {
  return new Refusal('MR_INFERENCE_UNSERVABLE', `${what}, no column of Source ${source.name}; say in spec.inputs which column it is`);
}

/** One value as a tensor of one row; nothing is NaN, which the gateway reads as missing. */
function scalar(name: string, value: Value): Tensor {
  const tensor = (datatype: Tensor['datatype'], data: TensorData): Tensor => ({ name, datatype, shape: [1], data });
  if (typeof value === 'string') return tensor('BYTES', [value]);
  if (typeof value !== 'bigint') return tensor('FP64', Float64Array.of(value ?? NaN));
  return value > HIGHEST_INT64 ? tensor('UINT64', BigUint64Array.of(value)) : tensor('INT64', BigInt64Array.of(value));
}
