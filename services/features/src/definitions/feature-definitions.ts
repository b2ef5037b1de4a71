import {
  compileFeatureService,
  compileSource,
  compileView,
  type EntityDefinition,
  type FeatureServiceDefinition,
  type FeatureViewDefinition,
  type ServicePlan,
  type SourceDefinition,
  type SourcePlan,
  type ViewPlan,
} from '@millrace/feature-engine';
import { keyColumns, type Resource, type ResourceCatalog } from '@millrace/resources';

/** A source as the service runs it. */
export interface Source {
  readonly plan: SourcePlan;
  readonly format: 'json' | 'cloudevents';
  /** Partitions to make its topic with; the topic's own count stands if it is there already. */
  readonly partitions: number | undefined;
}

/** The definitions a plan was compiled from, whole: kept with what is computed from them. */
export interface ViewDefinitions {
  readonly view: FeatureViewDefinition;
  readonly entity: EntityDefinition;
  readonly source: SourceDefinition;
}

const KINDS = ['Source', 'Entity', 'FeatureView', 'FeatureService'] as const;

/** The feature resources as they are applied now, compiled on demand. What cannot be compiled is absent and told in {@link problems}. */
export class FeatureDefinitions {
  readonly #catalog: ResourceCatalog;
  readonly #listeners = new Set<() => void>();
  #sources = new Map<string, Source | undefined>();
  #views = new Map<string, ViewPlan | undefined>();
  #services = new Map<string, ServicePlan | undefined>();
  #problems = new Map<string, string>();
  #isDue = false;

  constructor(catalog: ResourceCatalog) {
    this.#catalog = catalog;
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
    return this.#compiled(this.#sources, 'Source', name, ({ spec }) => ({
      plan: compileSource(sourceDefinition(name, spec)),
      format: spec.format ?? 'json',
      partitions: spec.partitions,
    }));
  }

  /** Views of a source that are kept online. */
  onlineViews(source: string): ViewPlan[] {
    return this.views().filter((plan) => plan.online && plan.source.name === source);
  }

  views(): ViewPlan[] {
    return this.#catalog.list('FeatureView').flatMap(({ name }) => this.view(name) ?? []);
  }

  view(name: string): ViewPlan | undefined {
    return this.#compiled(this.#views, 'FeatureView', name, () => {
      const definitions = this.definitionsOf(name);
      return definitions && compileView(definitions.view, definitions.entity, definitions.source);
    });
  }

  definitionsOf(name: string): ViewDefinitions | undefined {
    const view = this.#catalog.get('FeatureView', name);
    const entity = view && this.#catalog.get('Entity', view.spec.entity);
    const source = view && this.#catalog.get('Source', view.spec.source);
    if (!entity || !source) return undefined;
    return {
      view: { name, ...view.spec },
      entity: { name: entity.name, ...entity.spec },
      source: sourceDefinition(source.name, source.spec),
    };
  }

  service(name: string): ServicePlan | undefined {
    return this.#compiled(this.#services, 'FeatureService', name, ({ spec }) => {
      const views = new Map(this.views().map((plan) => [plan.name, plan]));
      return compileFeatureService({ name, ...spec }, views);
    });
  }

  serviceDefinition(name: string): FeatureServiceDefinition | undefined {
    const service = this.#catalog.get('FeatureService', name);
    return service && { name, ...service.spec };
  }

  /** Resources that are applied and cannot be used, with the reason: `Kind/name` -> text. */
  problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  #compiled<K extends (typeof KINDS)[number], T>(
    cache: Map<string, T | undefined>,
    kind: K,
    name: string,
    compile: (resource: Resource<K>) => T | undefined,
  ): T | undefined {
    if (cache.has(name)) return cache.get(name);
    const resource = this.#catalog.get(kind, name);
    let result: T | undefined;
    try {
      result = resource && compile(resource);
    } catch (error) {
      this.#problems.set(`${kind}/${name}`, error instanceof Error ? error.message : String(error));
    }
    cache.set(name, result);
    return result;
  }

  #changed(): void {
    this.#sources = new Map();
    this.#views = new Map();
    this.#services = new Map();
    this.#problems = new Map();
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

function sourceDefinition(name: string, spec: Resource<'Source'>['spec']): SourceDefinition {
  const { topic, schema, eventTime, eventId, corrections } = spec;
  return { name, topic, schema, eventTime, eventId, corrections, key: keyColumns(spec) };
}
