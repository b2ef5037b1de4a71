import { compileExpression, compileView, parseColumnType } from '@millrace/feature-engine';
import { checkOnDemandView, type PinnedView } from './check-on-demand-view.js';
import { parseReference, parseVersionedName } from './feature-references.js';
import { checkPolicy } from './check-policy.js';
import { checkRollout } from './check-rollout.js';
import { checkSource } from './check-source.js';
import { checkStreamingInference } from './check-streaming-inference.js';
import { hasNamedFeature, namedView } from './check-view-reference.js';
import {
  isOnDemandSpec,
  type DeploymentSpec,
  type DocumentProblem,
  type EntitySpec,
  type ExperimentSpec,
  type FeatureServiceSpec,
  type FeatureViewSpec,
  type Kind,
  type PolicySpec,
  type ResourceDocument,
  type ResourceSpecs,
  type RolloutSpec,
  type SourceSpec,
  type StoredViewSpec,
  type StreamingInferenceSpec,
} from './resource.js';
import { noColumn, notThere, refusal, type Say } from './say.js';
import { sourceDefinition } from './source-definition.js';

/** Finds the spec another document names: first among the documents of the request, then among the resources there are; a version of it, among these. */
export type Lookup = <K extends Kind>(kind: K, name: string, version?: number) => ResourceSpecs[K] | undefined;

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
const NUMERIC = /^(U?Int\d+|Float\d+|Nullable\((U?Int\d+|Float\d+)\))$/;
const OF_NUMBERS = /^(sum|mean|min|max|quantile|var_.*|stddev_.*)$/;
const LONGEST_WINDOW_DAYS = 366;

/** What a JSON Schema cannot say: names that must exist, columns that must fit. The shape is checked before. */
export function checkDocument(document: ResourceDocument, lookup: Lookup, pinned: PinnedView): DocumentProblem[] {
  const problems: DocumentProblem[] = [];
  const say: Say = (field, message) => {
    problems.push({ document: document.index, resource: `${document.kind}/${document.name}`, field, message });
  };
  CHECKS[document.kind](document.spec, say, lookup, document.name, pinned);
  return problems;
}

const CHECKS: Readonly<Record<Kind, (spec: unknown, say: Say, lookup: Lookup, name: string, pinned: PinnedView) => void>> = {
  Source: (spec, say) => checkSource(spec as SourceSpec, say),
  Entity: (spec, say) => checkEntity(spec as EntitySpec, say),
  FeatureView: (spec, say, lookup, name, pinned) => {
    const view = spec as FeatureViewSpec;
    if (isOnDemandSpec(view)) checkOnDemandView(view, say, lookup, pinned, name);
    else checkFeatureView(view, say, lookup, name);
  },
  FeatureService: (spec, say, lookup) => checkFeatureService(spec as FeatureServiceSpec, say, lookup),
  Experiment: (spec, say) => checkExperiment(spec as ExperimentSpec, say),
  Deployment: (spec, say, lookup) => checkDeployment(spec as DeploymentSpec, say, lookup),
  Rollout: (spec, say, lookup, name) => checkRollout(spec as RolloutSpec, say, lookup, name),
  StreamingInference: (spec, say, lookup) => checkStreamingInference(spec as StreamingInferenceSpec, say, lookup),
  Policy: (spec, say, lookup) => checkPolicy(spec as PolicySpec, say, lookup),
};

function checkEntity(spec: EntitySpec, say: Say): void {
  for (const [key, type] of Object.entries(spec.joinKeys)) {
    if (type.startsWith('Float'))
      say(`spec.joinKeys.${key}`, `${type} is no join key: equal numbers may differ in their last bit; use String or an integer`);
  }
}

function checkFeatureView(spec: StoredViewSpec, sayTo: Say, lookup: Lookup, name: string): void {
  let isSound = true;
  const say: Say = (field, message) => {
    isSound = false;
    sayTo(field, message);
  };
  const source = lookup('Source', spec.source);
  const entity = lookup('Entity', spec.entity);
  if (!source) say('spec.source', notThere('Source', spec.source));
  if (!entity) say('spec.entity', notThere('Entity', spec.entity));
  if (source && entity) {
    for (const [key, type] of Object.entries(entity.joinKeys)) {
      const column = source.schema[key];
      if (column === undefined) say('spec.entity', `join key ${key} is not a column of Source ${spec.source}`);
      else if (column !== type) say('spec.entity', `join key ${key} is ${type}, the column of Source ${spec.source} is ${column}`);
    }
  }
  const names = new Set<string>();
  spec.features.forEach((feature, index) => {
    const field = `spec.features[${index}]`;
    if (names.has(feature.name)) say(`${field}.name`, `${feature.name} is there twice`);
    names.add(feature.name);
    if (feature.aggregate === undefined) {
      if (feature.expression === undefined) say(`${field}.aggregate`, 'is missing; a feature has an aggregate or an expression');
      return;
    }
    if (feature.aggregate !== 'last' && feature.window === undefined && feature.windowKind !== 'lifetime')
      say(`${field}.window`, `${feature.aggregate} needs a window, for example 1h`);
    if (feature.window !== undefined && secondsOf(feature.window) > LONGEST_WINDOW_DAYS * 86_400)
      say(`${field}.window`, `is longer than ${LONGEST_WINDOW_DAYS}d`);
    if (feature.aggregate !== 'count' && feature.column === undefined) say(`${field}.column`, `${feature.aggregate} needs a column`);
    if (feature.filter !== undefined && source) checkFilter(feature.filter, source, (message) => say(`${field}.filter`, message));
    if (feature.column === undefined || !source) return;
    const type = source.schema[feature.column];
    if (type === undefined) say(`${field}.column`, noColumn(feature.column, Object.keys(source.schema)));
    else if (OF_NUMBERS.test(feature.aggregate) && !NUMERIC.test(type)) {
      say(`${field}.column`, `${feature.aggregate} needs a number, column ${feature.column} is ${type}`);
    }
  });
  if (!isSound || !source || !entity) return;
  let isSourceSound = true;
  checkSource(source, () => (isSourceSound = false));
  // Whatever else keeps the view from being computed is found by whoever computes it.
  refusal(
    () => compileView({ name, ...spec }, { name: spec.entity, ...entity }, sourceDefinition(spec.source, source)),
    (message, { feature, field }) => {
      // It is said of the source.
      if (!isSourceSound && message.startsWith(`source ${spec.source}: `)) return;
      const index = spec.features.findIndex((item) => item.name === feature);
      const at = index < 0 ? 'spec' : `spec.features[${index}]`;
      say(field === undefined ? at : `${at}.${field}`, message.replace(`feature view ${name}: `, ''));
    },
  );
}

function checkFilter(filter: string, source: SourceSpec, say: (message: string) => void): void {
  const columns = Object.entries(source.schema).flatMap(([name, text]) => {
    const type = parseColumnType(text);
    return type ? [{ name, type }] : [];
  });
  refusal(() => {
    if (compileExpression(filter, columns).type !== 'bool') say('must be true or false, such as fare > 10; this is a value');
  }, say);
}

function checkFeatureService(spec: FeatureServiceSpec, say: Say, lookup: Lookup): void {
  checkRedacted('readLog', spec.readLog?.redact ?? [], say, lookup);
  const names = new Map<string, string>();
  const request = new Map(Object.entries(spec.request ?? {}).map(([name, type]) => [name, { type, of: 'the request of this service' }]));
  spec.features.forEach((reference, index) => {
    const sayHere = (message: string): void => say(`spec.features[${index}]`, message);
    const named = parseReference(reference);
    const { name: viewName, feature: featureName } = named;
    const view = namedView(named, lookup, sayHere);
    if (!view || !hasNamedFeature(named, view, sayHere)) return;
    const features = featureName === undefined ? view.features.map((feature) => feature.name) : [featureName];
    for (const feature of features) {
      const other = names.get(feature);
      if (other !== undefined) sayHere(`feature ${feature} is in ${other} too; name single features as view:feature`);
      names.set(feature, viewName);
    }
    for (const [name, type] of Object.entries(isOnDemandSpec(view) ? (view.request ?? {}) : {})) {
      const other = request.get(name);
      if (other && other.type !== type)
        sayHere(`FeatureView ${viewName} takes ${name} of the request as ${type}, and ${other.of} as ${other.type}`);
      else request.set(name, { type, of: `FeatureView ${viewName}` });
    }
  });
  for (const [name, { of }] of request) {
    if (!names.has(name)) continue;
    if (spec.request?.[name] !== undefined) say(`spec.request.${name}`, `is also a feature of ${names.get(name)}`);
    else say('spec.features', `${name} is a request field of ${of} and a feature of ${names.get(name)}`);
  }
}

function checkExperiment(spec: ExperimentSpec, say: Say): void {
  const names = new Set<string>();
  spec.variants.forEach((variant, index) => {
    if (names.has(variant.name)) say(`spec.variants[${index}].name`, `${variant.name} is there twice`);
    names.add(variant.name);
  });
  const metrics = new Set<string>();
  (spec.metrics ?? []).forEach((metric, index) => {
    if (metrics.has(metric.name)) say(`spec.metrics[${index}].name`, `${metric.name} is there twice`);
    metrics.add(metric.name);
  });
}

function checkDeployment(spec: DeploymentSpec, say: Say, lookup: Lookup): void {
  checkRedacted('predictionLog', spec.predictionLog?.redact ?? [], say, lookup);
  if (spec.featureService !== undefined) {
    const { name, version } = parseVersionedName(spec.featureService);
    if (!lookup('FeatureService', name, version)) {
      say(
        'spec.featureService',
        version === undefined ? notThere('FeatureService', name) : `FeatureService ${name} has no version ${version}`,
      );
    }
  }
  if (spec.experiment !== undefined && !lookup('Experiment', spec.experiment)) {
    say('spec.experiment', notThere('Experiment', spec.experiment));
  }
}

/** A name with a view before it that the view does not have would leave nothing out: the value would be kept. */
function checkRedacted(log: 'predictionLog' | 'readLog', names: readonly string[], say: Say, lookup: Lookup): void {
  names.forEach((given, index) => {
    const [, viewName, feature] = /^(.*?)(?:__|:)(.+)$/.exec(given) ?? [];
    const view = viewName === undefined ? undefined : lookup('FeatureView', viewName);
    if (!view || view.features.some(({ name }) => name === feature)) return;
    const known = view.features.map(({ name }) => name).join(', ');
    say(`spec.${log}.redact[${index}]`, `FeatureView ${viewName} has no feature ${feature}; its features are ${known}`);
  });
}

function secondsOf(duration: string): number {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(duration);
  return match ? Number(match[1]) * (SECONDS[match[2] as string] as number) : Number.NaN;
}
