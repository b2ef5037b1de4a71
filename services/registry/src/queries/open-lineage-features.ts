import {
  isOnDemandSpec,
  parseReference,
  parseVersionedName,
  sourceTopic,
  type FeatureViewSpec,
  type SourceSpec,
} from '@millrace/resources';
import { columnLineageFacet, facet, failed, jobType, schemaFacet, uuidOf, type FieldLineage, type Values } from './open-lineage-facets.js';

/** An OpenLineage event before it is dated, named and told which decision it is of. */
export interface LineageStatement {
  readonly kind: 'RunEvent' | 'JobEvent' | 'DatasetEvent';
  readonly body: Values;
}

interface FeatureText {
  readonly name: string;
  readonly aggregate?: string;
  readonly column?: string;
  readonly window?: string;
  readonly windowKind?: string;
  readonly expression?: string;
  readonly description?: string;
}

/**
 * What an applied or deleted source, feature view or feature service says: its data, what it is computed from column by column, and of a view that is kept online that keeping it
 * begins or ends. A new kind of feature resource gets a case here.
 */
export function featureResource(decision: string, data: Values, namespace: string): LineageStatement[] {
  const kind = String(data['kind']);
  const name = String(data['name']);
  if (decision === 'ResourceDeleted') return deleted(kind, name, namespace);
  const spec = data['spec'] as Values;
  const version = Number(data['version']);
  switch (kind) {
    case 'Source':
      return [{ kind: 'DatasetEvent', body: { dataset: sourceDataset(name, spec, version, namespace) } }];
    case 'FeatureView':
      return view(name, spec, version, namespace);
    case 'FeatureService':
      return [service(name, spec, version, namespace)];
    default:
      return [];
  }
}

const FOLDERS: Readonly<Record<string, string>> = { Source: 'sources', FeatureView: 'feature-views', FeatureService: 'feature-services' };

function deleted(kind: string, name: string, namespace: string): LineageStatement[] {
  const folder = FOLDERS[kind];
  if (folder === undefined) return [];
  const change = facet('1-0-1/LifecycleStateChangeDatasetFacet', { lifecycleStateChange: 'DROP' });
  return [{ kind: 'DatasetEvent', body: { dataset: { namespace, name: `${folder}/${name}`, facets: { lifecycleStateChange: change } } } }];
}

function sourceDataset(name: string, spec: Values, version: number, namespace: string): Values {
  const { schema } = spec;
  const topic = sourceTopic(name, spec as unknown as SourceSpec);
  const fields = Object.entries((schema ?? {}) as Readonly<Record<string, string>>).map(([column, type]) => ({ name: column, type }));
  const identifiers = [{ namespace, name: `topics/${topic}`, type: 'TOPIC' }];
  return dataset(`sources/${name}`, version, namespace, {
    ...schemaFacet(fields),
    symlinks: facet('1-0-1/SymlinksDatasetFacet', { identifiers }),
  });
}

function view(name: string, spec: Values, version: number, namespace: string): LineageStatement[] {
  if (isOnDemandSpec(spec as unknown as FeatureViewSpec)) return [onDemandView(name, spec, version, namespace)];
  const features = featuresOf(spec);
  const source = { namespace, name: `sources/${String(spec['source'])}` };
  const columns = features.map((feature) => ({ name: feature.name, from: columnsOf(feature, features, source.name) }));
  const facets = featureFacets(features, columns, namespace);
  const defined = job('FEATURE_VIEW', { name: `feature-views/${name}`, version, namespace }, [source.name], facets);
  if (spec['online'] === false) return [defined];
  // Kept online from the log, from its beginning on and for as long as this version is applied.
  const begun: LineageStatement = {
    kind: 'RunEvent',
    body: {
      eventType: 'START',
      run: { runId: uuidOf(`online-view ${name}@${version}`) },
      job: { namespace, name: `feature-views/${name}/online`, facets: jobType('MATERIALIZATION', 'STREAMING') },
      inputs: [source],
      outputs: [dataset(`online-store/${name}`, version, namespace, facets)],
    },
  };
  return [defined, begun];
}

/** What a view computed on demand is made of: the features of its inputs that an expression names, by their names alone or with their view's. */
function onDemandView(name: string, spec: Values, version: number, namespace: string): LineageStatement {
  const references = ((spec['inputs'] ?? []) as readonly string[]).map(referenceOf);
  const features = featuresOf(spec);
  const columns = features.map((feature): FieldLineage => {
    const words = wordsOf(feature.expression ?? '');
    const used = references.flatMap(({ view: from, feature: field }) =>
      field !== undefined && (words.has(field) || words.has(`${from.slice('feature-views/'.length)}__${field}`))
        ? [{ dataset: from, field, subtype: 'TRANSFORMATION' as const }]
        : [],
    );
    return { name: feature.name, from: used };
  });
  const inputs = references.map((one) => one.view);
  return job('FEATURE_VIEW', { name: `feature-views/${name}`, version, namespace }, inputs, featureFacets(features, columns, namespace));
}

/** What makes a dataset of its own name out of others. */
function job(
  type: string,
  { name, version, namespace }: { readonly name: string; readonly version: number; readonly namespace: string },
  inputs: readonly string[],
  facets: Values,
): LineageStatement {
  return {
    kind: 'JobEvent',
    body: {
      job: { namespace, name, facets: jobType(type) },
      inputs: [...new Set(inputs)].map((from) => ({ namespace, name: from })),
      outputs: [dataset(name, version, namespace, facets)],
    },
  };
}

function featureFacets(features: readonly FeatureText[], columns: readonly FieldLineage[], namespace: string): Values {
  const fields = features.map((feature) => ({ name: feature.name, description: feature.description ?? aboutFeature(feature) }));
  return { ...schemaFacet(fields), ...columnLineageFacet(namespace, columns) };
}

/** What a materialization of a source's rows says: that it has begun, or how it ended. */
export function materializationRun(
  started: Values,
  eventType: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT',
  namespace: string,
  error?: string,
): LineageStatement {
  const name = String(started['source']);
  return {
    kind: 'RunEvent',
    body: {
      eventType,
      run: { runId: uuidOf(`materialization ${String(started['materializationId'])}`), facets: failed(error) },
      job: { namespace, name: `sources/${name}/materialization`, facets: jobType('MATERIALIZATION') },
      inputs: [],
      outputs: [dataset(`sources/${name}`, Number(started['version']), namespace, {})],
    },
  };
}

function service(name: string, { features }: Values, version: number, namespace: string): LineageStatement {
  const references = ((features ?? []) as readonly string[]).map(referenceOf);
  const columns = references.flatMap(({ view: from, feature }): FieldLineage[] =>
    feature === undefined ? [] : [{ name: feature, from: [{ dataset: from, field: feature, subtype: 'IDENTITY' }] }],
  );
  const inputs = references.map((one) => one.view);
  return job('FEATURE_SERVICE', { name: `feature-services/${name}`, version, namespace }, inputs, columnLineageFacet(namespace, columns));
}

/** `view`, `view:feature` or `view@2:feature`, as a dataset and its field. */
function referenceOf(text: string): { readonly view: string; readonly feature: string | undefined } {
  const { name, feature } = parseReference(text);
  return { view: `feature-views/${name}`, feature };
}

/** The names an expression holds. */
function wordsOf(expression: string): ReadonlySet<string> {
  return new Set(expression.replace(/'[^']*'/g, '').match(/[A-Za-z_]\w*/g) ?? []);
}

/** What a training set was asked of: its sources with how far they were read, its views, its service, and where its rows came from. */
export function trainingSetInputs(requested: Values, namespace: string): Values[] {
  const positions = (requested['positions'] ?? {}) as Readonly<Record<string, readonly number[]>>;
  const definitions = definitionsOf(requested);
  const sources = Object.entries(positions).map(([topic, offsets]) => {
    const source = definitions.find((one) => one.source['topic'] === topic)?.source['name'];
    return dataset(`sources/${typeof source === 'string' ? source : topic}`, offsets.join(','), namespace, {});
  });
  const views = definitions.map((one) => ({ namespace, name: `feature-views/${parseVersionedName(String(one.view['name'])).name}` }));
  const spine = requested['spine'] as Values | undefined;
  const asked =
    spine?.['kind'] === 'source'
      ? [{ namespace, name: `sources/${String(spine['source'])}` }]
      : spine?.['kind'] === 'predictions' && typeof spine['deployment'] === 'string'
        ? [{ namespace, name: `predictions/${spine['deployment']}` }]
        : [];
  const all = [...sources, ...views, ...asked];
  return all.filter((one, place) => all.findIndex((other) => other['name'] === one['name']) === place);
}

/** Columns of a training set, and what each feature's is made of. */
export function trainingSetColumns(requested: Values, columns: unknown, namespace: string): Values {
  const fields = ((columns ?? []) as readonly { name: string; type: string }[]).map(({ name, type }) => ({ name, type }));
  const definitions = definitionsOf(requested);
  const features = (requested['features'] ?? []) as readonly { view: string; feature: string; column: string }[];
  const lineage = features.flatMap(({ view: named, feature: wanted, column }): FieldLineage[] => {
    const own = definitions.find((one) => one.view['name'] === named);
    const all = own ? featuresOf(own.view) : [];
    const feature = all.find((one) => one.name === wanted);
    return own && feature ? [{ name: column, from: columnsOf(feature, all, `sources/${String(own.source['name'])}`) }] : [];
  });
  return { ...(fields.length === 0 ? {} : schemaFacet(fields)), ...columnLineageFacet(namespace, lineage) };
}

function definitionsOf(requested: Values): readonly { readonly view: Values; readonly source: Values }[] {
  return (requested['definitions'] ?? []) as readonly { view: Values; source: Values }[];
}

function featuresOf(spec: Values): readonly FeatureText[] {
  return (spec['features'] ?? []) as readonly FeatureText[];
}

/** The source's columns a feature's values are made of; an expression's are those of the features it names. */
function columnsOf(feature: FeatureText, all: readonly FeatureText[], source: string): FieldLineage['from'] {
  const { expression, column, aggregate, window, windowKind } = feature;
  if (expression !== undefined) {
    const words = wordsOf(expression);
    const named = all.filter((other) => other.expression === undefined && words.has(other.name));
    const columns = [...new Set(named.flatMap((other) => other.column ?? []))];
    return columns.map((field) => ({ dataset: source, field, subtype: 'TRANSFORMATION' as const }));
  }
  if (column === undefined) return [];
  const isLatest = aggregate === 'last' && window === undefined && windowKind === undefined;
  return [{ dataset: source, field: column, subtype: isLatest ? 'IDENTITY' : 'AGGREGATION' }];
}

function aboutFeature({ expression, aggregate, column, window, windowKind }: FeatureText): string {
  if (expression !== undefined) return expression;
  const over = window === undefined ? (windowKind ?? '') : `over ${window}`;
  return [aggregate, ...(column === undefined ? [] : [`of ${column}`]), over].filter((word) => word !== '').join(' ');
}

function dataset(name: string, version: number | string, namespace: string, facets: Values): Values {
  return {
    namespace,
    name,
    facets: { version: facet('1-0-1/DatasetVersionDatasetFacet', { datasetVersion: String(version) }), ...facets },
  };
}
