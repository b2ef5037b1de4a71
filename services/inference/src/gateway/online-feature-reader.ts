import type { EventLog } from '@millrace/event-log';
import {
  OnlineReader,
  parseKeyValue,
  parseRequestValue,
  servedNames,
  Status,
  STATUS_NAMES,
  type FeatureColumn,
  type ServicePlan,
  type Value,
} from '@millrace/feature-engine';
import { isFault } from '@millrace/kernel';
import type { OnlineStore } from '@millrace/online-store';
import type { ServedFeatures } from '@millrace/resources';
import type { MissingStatus } from '../domain/prediction/prediction.js';
import { invalid, isRefusal, Refusal } from '../domain/refusal.js';
import type { EntityValue, FeatureReader, FeatureServiceShape, FeatureValue, FeatureVectors } from './feature-vectors.js';

interface Compiled {
  readonly plan: ServicePlan;
  readonly shape: FeatureServiceShape;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Reads feature vectors from the online store with the plans of the resources as they are served now. A feature is called by its name, or
 * `<view>__<name>` where two views of a service have one of the same name.
 */
export class OnlineFeatureReader implements FeatureReader {
  readonly #served: ServedFeatures;
  readonly #log: EventLog;
  readonly #reader: OnlineReader;
  /** By plan, which is another one when a resource, or what serves of it, has changed. */
  readonly #compiled = new WeakMap<ServicePlan, Compiled>();
  /** Partition counts are frozen, so one answer of the log is good for ever. */
  readonly #partitions = new Map<string, number>();

  constructor(served: ServedFeatures, log: EventLog, store: OnlineStore) {
    this.#served = served;
    this.#log = log;
    this.#reader = new OnlineReader(store, (topic) => this.#partitions.get(topic) as number);
  }

  shapeOf(featureService: string): FeatureServiceShape | undefined {
    try {
      return this.#compile(featureService)?.shape;
    } catch (error) {
      // It will be known when what it needs is filled; who sends tensors does not need it.
      if (!isRefusal(error)) throw error;
      return undefined;
    }
  }

  async read(
    featureService: string,
    entities: readonly Readonly<Record<string, EntityValue>>[],
    requests: readonly Readonly<Record<string, FeatureValue>>[],
    at: number | readonly number[],
    withinMs?: number,
  ): Promise<FeatureVectors> {
    const compiled = this.#compile(featureService);
    if (!compiled) throw new Refusal('MR_INFERENCE_FEATURES', `feature service ${JSON.stringify(featureService)} is not known here yet`);
    const { plan } = compiled;
    for (const view of plan.views) await this.#learnPartitions(view.source.topic);
    const request = plan.onDemand.length === 0 ? [] : plan.request.map(({ name }) => requests.map((row) => row[name] as Value));
    const { columns, positions } = await this.#reader.readVectors(plan, entities, at, request, withinMs);
    const names = servedNames(columns);
    return {
      rows: entities.map(
        (_, row) =>
          new Map(
            columns.map((column, index) => [
              names[index] as string,
              valueAt(column, row, typeof at === 'number' ? at : (at[row] as number), plan),
            ]),
          ),
      ),
      statuses: entities.map((_, row) => missingIn(columns, names, row)),
      positions,
      versions: compiled.versions,
    };
  }

  #compile(name: string): Compiled | undefined {
    const plan = this.#planOf(name);
    if (!plan) return undefined;
    let compiled = this.#compiled.get(plan);
    if (!compiled) {
      const versions = Object.fromEntries([...plan.views, ...plan.onDemand].map((view) => [view.name, view.version]));
      this.#compiled.set(plan, (compiled = { plan, shape: shapeOf(plan), versions }));
    }
    return compiled;
  }

  #planOf(name: string): ServicePlan | undefined {
    try {
      return this.#served.service(name);
    } catch (error) {
      if (!isFault(error)) throw error;
      throw new Refusal('MR_INFERENCE_FEATURES', error.message, { cause: error });
    }
  }

  async #learnPartitions(topic: string): Promise<void> {
    if (this.#partitions.has(topic)) return;
    const count = await this.#log.partitions(topic);
    if (count === undefined) throw new Refusal('MR_INFERENCE_FEATURES', `the source's topic ${topic} is not there yet`);
    this.#partitions.set(topic, count);
  }
}

function shapeOf(plan: ServicePlan): FeatureServiceShape {
  return {
    joinKeys: plan.joinKeys.map(({ name, type }) => ({ name, type: type.name, parse: (value) => parseKeyValue(type, value) })),
    requestFeatures: plan.request.map(({ name, type }) => ({
      name,
      type: type.name,
      // What the caller does not know is missing, whatever the type: the model has to cope with it, or refuses it.
      parse: (value): FeatureValue | undefined => parseRequestValue(type, value),
    })),
  };
}

/** The features of a row that have no value for another reason than that it is null. */
function missingIn(columns: readonly FeatureColumn[], names: readonly string[], row: number): Record<string, MissingStatus> | null {
  let missing: Record<string, MissingStatus> | null = null;
  for (let index = 0; index < columns.length; index++) {
    const status = columns[index]?.statuses[row];
    if (status !== Status.NOT_FOUND && status !== Status.OUTSIDE_MAX_AGE) continue;
    (missing ??= {})[names[index] as string] = STATUS_NAMES[status];
  }
  return missing;
}

/** A value the online store can no longer tell is not a missing value: answering with one would be a wrong prediction. */
function valueAt(column: FeatureColumn, row: number, at: number, plan: ServicePlan): FeatureValue {
  if (column.statuses[row] !== Status.INVALID) return column.values[row] ?? null;
  const computed = plan.onDemand.find((view) => view.name === column.view);
  const kept = computed ? [...new Set(computed.inputs.map(({ view }) => view.name))] : [column.view];
  throw invalid(
    `feature ${JSON.stringify(column.name)} as of ${new Date(at).toISOString()} is older than the online store keeps; ` +
      `ask for a later event_time, or raise the history of feature view ${kept.map((name) => JSON.stringify(name)).join(' or ')}`,
  );
}
