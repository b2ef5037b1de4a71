import {
  compileFeatureService,
  compileOnDemandView,
  compileSource,
  compileView,
  isOnDemand,
  parseDuration,
  parseFeatureReference,
  StandingStates,
  type EntityDefinition,
  type FeatureViewDefinition,
  type OnDemandPlan,
  type OnDemandViewDefinition,
  type ServedView,
  type ServicePlan,
  type SourceDefinition,
  type SourcePlan,
  type ViewPlan,
} from '@millrace/feature-engine';
import {
  hasComputedId,
  inputViews,
  onDemandResources,
  parseVersionedName,
  serviceResources,
  ServedFeatures,
  sourceDefinition,
  viewResources,
  type Resource,
  type ResourceCatalog,
  type SourceSpec,
} from '@millrace/resources';
import { unlessFault } from '@millrace/kernel';
import type { ReadLogRules } from '../reads/read-log.js';
import { compileExpectations, type Expectation } from '../sources/expectations.js';

/** Where the rows of a source are read that is materialized. */
export interface BatchOrigin {
  readonly rows:
    | { readonly kind: 'query'; readonly sql: string }
    | { readonly kind: 'table'; readonly table: string }
    | { readonly kind: 'files'; readonly files: string };
  /** Ids are made from key and event time. */
  readonly hasComputedId: boolean;
  /** Absent: only on request. */
  readonly everyMs: number | undefined;
  readonly lookbackMs: number;
}

/** A source as the service runs it. */
export interface Source {
  /** Of its definition. */
  readonly version: number;
  /** Absent: its events are written by others. */
  readonly batch?: BatchOrigin;
  readonly plan: SourcePlan;
  readonly format: 'json' | 'cloudevents';
  /** Partitions to make its topic with; the topic's own count stands if it is there already. */
  readonly partitions: number | undefined;
  readonly expectations: readonly Expectation[];
}

/** A source whose rows are materialized. */
export type BatchSource = Source & { readonly batch: BatchOrigin };

export function isBatch(source: Source): source is BatchSource {
  return source.batch !== undefined;
}

/** The definitions a plan was compiled from, whole: kept with what is computed from them. */
export interface ViewDefinitions {
  readonly view: FeatureViewDefinition;
  readonly entity: EntityDefinition;
  readonly source: SourceDefinition;
}

const KINDS = ['Source', 'Entity', 'FeatureView', 'FeatureService', 'Deployment'] as const;

/** The feature resources as they are applied now, compiled on demand. What cannot be compiled is absent and told in {@link problems}. */
export class FeatureDefinitions {
  readonly #catalog: ResourceCatalog;
  readonly #listeners = new Set<() => void>();
  #sources = new Map<string, Source | undefined>();
  #views = new Map<string, ViewPlan | undefined>();
  #onDemand = new Map<string, OnDemandPlan | undefined>();
  #services = new Map<string, ServicePlan | undefined>();
  #problems = new Map<string, string>();
  /** Every read of a version asks whether it is kept, so they are found once for each change. */
  #allServed: readonly ViewPlan[] | undefined;
  #isDue = false;
  readonly #served: ServedFeatures;

  constructor(
    catalog: ResourceCatalog,
    /** What the views' names stand for online. */
    readonly states: StandingStates,
  ) {
    this.#catalog = catalog;
    this.#served = new ServedFeatures(catalog, states);
    for (const kind of KINDS) catalog.onChange(kind, () => this.#changed());
  }

  /** Changes of one turn of the event loop are told once. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  sources(): Source[] {
    return this.#catalog.list('Source').flatMap(({ name }) => this.source(name) ?? []);
  }

  source(name: string): Source | undefined {
    return this.#compiled(this.#sources, 'Source', name, ({ spec, version }) => {
      const batch = batchOrigin(spec);
      const plan = compileSource(sourceDefinition(name, spec));
      return {
        version,
        ...(batch ? { batch } : {}),
        plan,
        format: spec.format ?? 'json',
        partitions: spec.partitions,
        expectations: compileExpectations(plan, spec.expectations ?? []),
      };
    });
  }

  /** Views whose state is kept online: those that are applied, and the versions of them that somebody serves. */
  keptViews(): ViewPlan[] {
    return this.servedViews().filter((plan) => plan.online);
  }

  /** Those of a source. */
  onlineViews(source: string): ViewPlan[] {
    return this.keptViews().filter((plan) => plan.source.name === source);
  }

  /**
   * The views that a source fills as it is applied now, by the places its columns have now. A version from when its topic, its times, its ids or the type
   * of a column it reads were others gets nothing more.
   */
  filledViews(source: string): ViewPlan[] {
    const now = this.#catalog.get('Source', source);
    if (!now) return [];
    return this.onlineViews(source).flatMap((plan) => {
      const found = this.definitionsOf(plan.name);
      const filled = found && unlessFaulty(() => compileView(found.view, found.entity, sourceDefinition(source, now.spec)));
      return filled?.stateHash.equals(plan.stateHash) ? [filled] : [];
    });
  }

  /** What a changed view's name stands for until its new state is up. */
  heldView(name: string): ViewPlan | undefined {
    return this.#served.heldVersion(name) === undefined ? undefined : this.#served.view(name);
  }

  /** Whether a state is of a version of the view that is known here. */
  isKnownState(view: string, state: Buffer): boolean {
    return this.#served.isKnown(view, state);
  }

  /** To be told when a view's name stands for another state than before. */
  statesChanged(): void {
    this.#changed();
  }

  views(): ViewPlan[] {
    return this.#catalog.list('FeatureView').flatMap(({ name }) => this.view(name) ?? []);
  }

  /** The feature services that are applied, and beside them the versions that a deployment names. */
  servedServices(): string[] {
    const pinned = this.#catalog.list('Deployment').flatMap(({ spec: { featureService } }) => {
      return featureService !== undefined && parseVersionedName(featureService).version !== undefined ? [featureService] : [];
    });
    return [...this.#catalog.list('FeatureService').map(({ name }) => name), ...new Set(pinned)];
  }

  /** The views that are applied, and beside them the versions that a feature service names, a deployment serves, or a changed view's name still stands for. */
  servedViews(): readonly ViewPlan[] {
    return (this.#allServed ??= this.#findServed());
  }

  #findServed(): ViewPlan[] {
    const references = this.servedServices().flatMap((name) => serviceResources(this.#catalog, name)?.features ?? []);
    const asked = references.map((reference) => parseFeatureReference(reference).view);
    // What is computed on demand keeps nothing itself; what it reads is kept.
    const onDemand = [...this.#catalog.list('FeatureView').map(({ name }) => name), ...asked];
    const read = [...new Set(onDemand)].flatMap((reference) => inputViews(this.onDemandDefinition(reference) ?? {}));
    const held = this.#catalog.list('FeatureView').flatMap(({ name }) => {
      const version = this.#served.heldVersion(name);
      return version === undefined ? [] : [`${name}@${version}`];
    });
    const versions = [...asked, ...read, ...held, ...this.#stoodFor()].filter(
      (reference) => parseVersionedName(reference).version !== undefined,
    );
    return [...this.views(), ...[...new Set(versions)].sort().flatMap((reference) => this.view(reference) ?? [])];
  }

  /** What is read by services and views that stand for earlier versions, as what theirs read is still being filled. */
  #stoodFor(): string[] {
    const services = this.#catalog.list('FeatureService').flatMap(({ name }) => unlessFault(() => this.#served.service(name))?.views ?? []);
    const views = this.#catalog.list('FeatureView').flatMap(({ name }) => {
      const plan = unlessFault(() => this.#served.servedView(name));
      return plan && isOnDemand(plan) ? plan.inputs.map((input) => input.view) : [];
    });
    return [...services, ...views].map(({ name }) => name);
  }

  /** What an online read may ask for: a version that nobody serves is not kept, and an answer from nothing would be a wrong one. */
  readonly online = {
    view: (reference: string): ServedView | undefined => {
      const plan = unlessFaulty(() => this.#served.servedView(reference));
      if (!plan) return undefined;
      const isKept = isOnDemand(plan) ? plan.inputs.every((input) => this.#isKept(input.view)) : this.#isKept(plan);
      return isKept ? plan : undefined;
    },
    service: (reference: string): ServicePlan | undefined => {
      const plan = unlessFaulty(() => this.#served.service(reference));
      return plan?.views.every((view) => this.#isKept(view)) ? plan : undefined;
    },
    readLog: (reference: string): ReadLogRules | undefined => {
      const rules = this.#catalog.get('FeatureService', parseVersionedName(reference).name)?.spec.readLog;
      const serviceVersion = rules && unlessFaulty(() => this.#served.serviceVersion(reference));
      if (serviceVersion === undefined) return undefined;
      return { featureService: reference, serviceVersion, sample: rules?.sample ?? 1, redact: rules?.redact ?? [] };
    },
    isBeingFilled: (view: string, feature: string): boolean =>
      this.servedView(view)?.features.some(({ name }: { readonly name: string }) => name === feature) === true,
    hasVersion: (of: 'feature view' | 'feature service', reference: string): boolean =>
      parseVersionedName(reference).version !== undefined &&
      (of === 'feature view' ? this.servedView(reference) : this.service(reference)) !== undefined,
  };

  /** A view as it is applied, or a version of it: `origin_delays@2`. */
  view(reference: string): ViewPlan | undefined {
    return this.#compiled(this.#views, 'FeatureView', reference, () => {
      const definitions = this.definitionsOf(reference);
      return definitions && compileView(definitions.view, definitions.entity, definitions.source);
    });
  }

  /** A view that is computed when it is asked for, over the views it reads. */
  onDemandView(reference: string): OnDemandPlan | undefined {
    return this.#compiled(this.#onDemand, 'FeatureView', reference, () => {
      const definition = this.onDemandDefinition(reference);
      return definition && compileOnDemandView(definition, (view) => this.view(view));
    });
  }

  /** Whatever features can be asked of under this name. */
  servedView(reference: string): ServedView | undefined {
    return this.view(reference) ?? this.onDemandView(reference);
  }

  onDemandDefinition(reference: string): OnDemandViewDefinition | undefined {
    return onDemandResources(this.#catalog, reference);
  }

  definitionsOf(reference: string): ViewDefinitions | undefined {
    const found = viewResources(this.#catalog, reference);
    return found && { view: found.view, entity: found.entity, source: found.source };
  }

  /** A service as it is applied, or a version of it with the views it had: `delay_model@3`. */
  service(reference: string): ServicePlan | undefined {
    return this.#compiled(this.#services, 'FeatureService', reference, () => {
      const definition = serviceResources(this.#catalog, reference);
      if (!definition) return undefined;
      const names = definition.features.map((text) => parseFeatureReference(text).view);
      const views = new Map(names.flatMap((name) => [this.servedView(name)].flatMap((plan) => (plan ? [[name, plan] as const] : []))));
      return compileFeatureService(definition, views);
    });
  }

  serviceVersion(reference: string): number | undefined {
    return serviceResources(this.#catalog, reference)?.version;
  }

  /** Resources that are applied and cannot be used, with the reason: `Kind/name` -> text. */
  problems(): ReadonlyMap<string, string> {
    for (const { name } of this.#catalog.list('FeatureView')) this.servedView(name);
    return this.#problems;
  }

  #compiled<K extends (typeof KINDS)[number], T>(
    cache: Map<string, T | undefined>,
    kind: K,
    reference: string,
    compile: (resource: Resource<K>) => T | undefined,
  ): T | undefined {
    if (cache.has(reference)) return cache.get(reference);
    const { name, version } = parseVersionedName(reference);
    const resource = this.#catalog.get(kind, name, version);
    let result: T | undefined;
    try {
      result = resource && compile(resource);
    } catch (error) {
      this.#problems.set(`${kind}/${reference}`, error instanceof Error ? error.message : String(error));
    }
    cache.set(reference, result);
    return result;
  }

  #isKept(plan: ViewPlan): boolean {
    // Whatever is applied is kept, or says that it is not online.
    if (parseVersionedName(plan.name).version === undefined) return true;
    return this.onlineViews(plan.source.name).some((view) => view.stateHash.equals(plan.stateHash));
  }

  #changed(): void {
    this.#sources = new Map();
    this.#views = new Map();
    this.#onDemand = new Map();
    this.#services = new Map();
    this.#problems = new Map();
    this.#allServed = undefined;
    this.#served.forget();
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

/** What cannot be compiled is told in the problems, and serves nobody; what only cannot be yet is the asker's to know. */
function unlessFaulty<T>(compile: () => T): T | undefined {
  return unlessFault(compile, ({ retryable }) => !retryable);
}

function batchOrigin(spec: SourceSpec): BatchOrigin | undefined {
  const { query, table, files, schedule = {} } = spec;
  const rows =
    query !== undefined
      ? { kind: 'query' as const, sql: query }
      : table !== undefined
        ? { kind: 'table' as const, table }
        : files !== undefined
          ? { kind: 'files' as const, files }
          : undefined;
  if (!rows) return undefined;
  const everyMs = schedule.every === undefined ? undefined : parseDuration(schedule.every);
  return { rows, hasComputedId: hasComputedId(spec), everyMs, lookbackMs: parseDuration(schedule.lookback ?? '0s') ?? 0 };
}
