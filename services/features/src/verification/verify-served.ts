import {
  entityKeyText,
  jsonValue,
  parseKeyValue,
  parseRequestValue,
  servedNames,
  Status,
  STATUS_NAMES,
  type EntityHistory,
  type ServicePlan,
  type Value,
  type ViewPlan,
} from '@millrace/feature-engine';
import type { OfflineStore, ScratchTables } from '@millrace/offline-store';
import type { ResourceCatalog } from '@millrace/resources';
import { visitEntities } from '../training-sets/visit-entities.js';
import { heldEvents, holds } from './held-events.js';
import { LeftOut } from './left-out.js';
import { ServedDefinitions, type ServedDefinition } from './served-definitions.js';
import { servedVectors, type ServedFor, type ServedVector, type VectorSelection } from './served-vectors.js';

export interface VerifyOptions {
  readonly store: OfflineStore;
  readonly scratch: ScratchTables;
  /** Every version of the definitions. */
  readonly catalog: ResourceCatalog;
  /** What vectors were served for, as far as there are tables of it. */
  readonly served: readonly ServedFor[];
  /** Resolves when the table of a source holds everything before these offsets. */
  readonly reach: (plan: ViewPlan, next: readonly number[]) => Promise<void>;
}

/** A served value that the offline store tells otherwise. */
export interface Mismatch {
  /** Where it was served for a prediction. */
  readonly predictionId?: string;
  /** Where it was served to a read. */
  readonly readId?: string;
  readonly row: number;
  readonly view: string;
  readonly feature: string;
  readonly entity: Readonly<Record<string, unknown>>;
  readonly at: string;
  readonly served: unknown;
  readonly recomputed: unknown;
}

export interface FeatureVerification {
  readonly view: string;
  readonly feature: string;
  readonly compared: number;
  readonly mismatches: number;
}

export interface Verification {
  /** Vectors whose every value was recomputed. */
  readonly compared: number;
  /** Those of them with a value that differs. */
  readonly mismatches: number;
  readonly features: readonly FeatureVerification[];
  /** Vectors that cannot be recomputed, as their definition or its events are not to be found, by reason. They are in neither count above. */
  readonly unverifiable: Readonly<Record<string, number>>;
  /** The first differences found. */
  readonly examples: readonly Mismatch[];
}

export const NOTHING_VERIFIED: Verification = { compared: 0, mismatches: 0, features: [], unverifiable: {}, examples: [] };

const MOST_EXAMPLES = 20;

/**
 * Recomputes served vectors from the offline store's events, as they were known at the positions each vector rests on, by the definitions that
 * served them and with the same arithmetic. Every value must come out the same to the bit; anything else is a defect of the platform.
 */
export async function verifyServed(options: VerifyOptions, selection: VectorSelection): Promise<Verification> {
  const tally = new Tally();
  const leftOut = new LeftOut(options.catalog);
  const definitions = new ServedDefinitions(options.catalog, leftOut);
  for (const servedFor of options.served)
    for await (const page of servedVectors(options.store, servedFor, selection))
      await verifyPage(options, page, { definitions, leftOut }, tally);
  return tally.result();
}

/** Of vectors with such a status nothing was served: nobody can say that it was wrong. */
const NOT_KEPT = STATUS_NAMES[Status.INVALID];

/** What tells how vectors were made, and what of them was recorded. */
interface Known {
  readonly definitions: ServedDefinitions;
  readonly leftOut: LeftOut;
}

async function verifyPage(options: VerifyOptions, page: readonly ServedVector[], known: Known, tally: Tally): Promise<void> {
  const { definitions, leftOut } = known;
  const byDefinition = new Map<ServedDefinition, ServedVector[]>();
  for (const vector of page) {
    if (Object.values(vector.statuses).includes(NOT_KEPT)) {
      tally.unverifiable('asked for as of a time before what the online store kept, and answered without a value', 1);
      continue;
    }
    const definition = definitions.of(vector);
    const vectors = byDefinition.get(definition);
    if (vectors) vectors.push(vector);
    else byDefinition.set(definition, [vector]);
  }
  for (const [definition, vectors] of byDefinition) {
    if ('missing' in definition) tally.unverifiable(definition.missing, vectors.length);
    else await verifyVectors(options, definition.plan, recorded(definition.plan, vectors, leftOut, tally), leftOut, tally);
  }
}

const LEFT_OUT: Readonly<Record<ServedFor, string>> = {
  prediction: 'what it was made from is left out of its record (predictionLog.redact of its deployment)',
  read: 'what it was made from is left out of its record (readLog.redact of its feature service)',
};

/** The vectors whose records have all that they were made from. */
function recorded(plan: ServicePlan, vectors: readonly ServedVector[], leftOut: LeftOut, tally: Tally): ServedVector[] {
  // What the service itself names goes to its model: no value is computed from it.
  const asked = plan.onDemand.flatMap(({ request }) => request);
  const isWhole = (vector: ServedVector): boolean => {
    const { entity, request } = vector;
    const left = leftOut.of(vector);
    const isMissing = (name: string, values: object): boolean => left.has(name) && !Object.hasOwn(values, name);
    return !plan.joinKeys.some(({ name }) => isMissing(name, entity)) && !asked.some(({ name }) => isMissing(name, request));
  };
  const kept: ServedVector[] = [];
  for (const vector of vectors) {
    if (isWhole(vector)) kept.push(vector);
    else tally.unverifiable(LEFT_OUT[vector.servedFor], 1);
  }
  return kept;
}

async function verifyVectors(
  options: VerifyOptions,
  plan: ServicePlan,
  vectors: readonly ServedVector[],
  leftOut: LeftOut,
  tally: Tally,
): Promise<void> {
  const verifiable = await withEvents(options, plan, vectors, tally);
  if (verifiable.length === 0) return;
  const names = servedNames(plan.features.map((feature) => ({ view: feature.view.name, name: feature.name })));
  const differing = new Set<ServedVector>();
  const compare = (vector: ServedVector, index: number, value: Value): void => {
    const { view, name: feature } = plan.features[index] as ServicePlan['features'][number];
    const recomputed = jsonValue(value);
    const name = names[index] as string;
    // What was not recorded is nothing to compare.
    if (!Object.hasOwn(vector.features, name) && leftOut.of(vector).has(name)) return;
    const served = vector.features[name] ?? null;
    const isSame = served === recomputed;
    tally.compared(view.name, feature, isSame);
    if (isSame) return;
    differing.add(vector);
    const { servedFor, id, row, entity } = vector;
    const at = new Date(vector.at).toISOString();
    tally.example({
      [servedFor === 'prediction' ? 'predictionId' : 'readId']: id,
      row,
      view: view.name,
      feature,
      entity,
      at,
      served,
      recomputed,
    });
  };
  // What is computed from stored features takes their recomputed values, all of a vector.
  const stored = new Map<ServedVector, Value[]>(plan.onDemand.length === 0 ? [] : verifiable.map((vector) => [vector, []]));
  for (const view of plan.views) {
    const asked = plan.columns.flatMap((column, index) => {
      if (typeof column !== 'number') return [];
      const item = plan.stored[column] as ServicePlan['stored'][number];
      return item.view === view ? [{ index, feature: item.feature }] : [];
    });
    const read =
      plan.onDemand.length === 0
        ? []
        : plan.stored.flatMap((item, place) => (item.view === view ? [{ place, feature: item.feature }] : []));
    await verifyView(options, view, verifiable, (vector, history) => {
      const { values } = history.at(vector.at, vector.positions[view.name] ?? {});
      for (const { index, feature } of asked) compare(vector, index, values[feature] as Value);
      const own = stored.get(vector);
      if (own) for (const { place, feature } of read) own[place] = values[feature] as Value;
    });
  }
  for (const [vector, own] of stored) {
    const request = requestOf(plan, vector);
    for (const [index, column] of plan.columns.entries())
      if (typeof column !== 'number') compare(vector, index, column.value(own, request, vector.at));
  }
  tally.vectors(verifiable.length, differing.size);
}

/** The vectors whose events the offline store has, or will have once it has read them. */
async function withEvents(
  { store, catalog, reach }: VerifyOptions,
  plan: ServicePlan,
  vectors: readonly ServedVector[],
  tally: Tally,
): Promise<readonly ServedVector[]> {
  let left = vectors;
  for (const view of plan.views) {
    if (left.length === 0) break;
    const held = await heldEvents(store, catalog, view);
    if (held.kind === 'gone') {
      tally.unverifiable(held.reason, left.length);
      return [];
    }
    if (held.kind === 'filled') {
      await reach(view, furthest(view, left));
      continue;
    }
    const kept = left.filter((vector) => holds(held.next, vector.positions[view.name] ?? {}));
    tally.unverifiable(`source ${view.source.name} is deleted, and its table ends before what was served`, left.length - kept.length);
    left = kept;
  }
  return left;
}

/** Next offset by partition, of all that the vectors rest on in one view. */
function furthest(view: ViewPlan, vectors: readonly ServedVector[]): number[] {
  const next: number[] = [];
  for (const vector of vectors) {
    for (const [partition, offset] of Object.entries(vector.positions[view.name] ?? {})) {
      next[Number(partition)] = Math.max(next[Number(partition)] ?? 0, offset);
    }
  }
  return Array.from(next, (offset) => offset ?? 0);
}

/** What came with a request, as it was parsed then. */
function requestOf({ request }: ServicePlan, vector: ServedVector): Value[] {
  return request.map(({ name, type }) => parseRequestValue(type, vector.request[name] ?? null) ?? null);
}

/** Runs `compare` for each vector with the history of its entity in one view. */
async function verifyView(
  { store, scratch }: VerifyOptions,
  view: ViewPlan,
  vectors: readonly ServedVector[],
  compare: (vector: ServedVector, history: EntityHistory) => void,
): Promise<void> {
  const asked = new Map<string, { values: Value[]; vectors: ServedVector[] }>();
  let [since, until] = [Infinity, -Infinity];
  for (const vector of vectors) {
    const values = view.joinKeys.map((key) => parseKeyValue(key.type, vector.entity[key.name]) ?? null);
    const key = entityKeyText(values);
    const entry = asked.get(key);
    if (entry) entry.vectors.push(vector);
    else asked.set(key, { values, vectors: [vector] });
    [since, until] = [Math.min(since, vector.at), Math.max(until, vector.at)];
  }
  const entities = new Map([...asked].map(([key, { values }]) => [key, values]));
  await visitEntities({ store, scratch, plan: view, next: furthest(view, vectors), since, until }, entities, (key, history) => {
    for (const vector of asked.get(key)?.vectors ?? []) compare(vector, history);
  });
}

/** Counts what was compared. */
class Tally {
  #compared = 0;
  #mismatches = 0;
  readonly #features = new Map<string, { view: string; feature: string; compared: number; mismatches: number }>();
  readonly #unverifiable = new Map<string, number>();
  readonly #examples: Mismatch[] = [];

  vectors(compared: number, mismatches: number): void {
    this.#compared += compared;
    this.#mismatches += mismatches;
  }

  compared(view: string, feature: string, isSame: boolean): void {
    const key = `${view}:${feature}`;
    let counts = this.#features.get(key);
    if (!counts) this.#features.set(key, (counts = { view, feature, compared: 0, mismatches: 0 }));
    counts.compared++;
    if (!isSame) counts.mismatches++;
  }

  unverifiable(reason: string, vectors: number): void {
    if (vectors === 0) return;
    this.#unverifiable.set(reason, (this.#unverifiable.get(reason) ?? 0) + vectors);
  }

  example(mismatch: Mismatch): void {
    if (this.#examples.length < MOST_EXAMPLES) this.#examples.push(mismatch);
  }

  result(): Verification {
    return {
      compared: this.#compared,
      mismatches: this.#mismatches,
      features: [...this.#features.values()],
      unverifiable: Object.fromEntries(this.#unverifiable),
      examples: this.#examples,
    };
  }
}
