import type { Lookup } from './check-documents.js';
import { parseReference, parseVersionedName } from './feature-references.js';
import { isOnDemandSpec, type FeatureViewSpec, type SourceSpec, type StreamingInferenceSpec } from './resource.js';
import { noColumn, notThere, type Say } from './say.js';
import { checkTopic } from './check-topic.js';
import { sourceTopic } from './source-definition.js';

/** What the schema of a StreamingInference cannot say: names that must exist, columns that must be there, a topic that may be written. */
export function checkStreamingInference(spec: StreamingInferenceSpec, say: Say, lookup: Lookup): void {
  const deployment = lookup('Deployment', spec.deployment);
  if (!deployment) say('spec.deployment', notThere('Deployment', spec.deployment));
  const source = lookup('Source', spec.source);
  if (!source) say('spec.source', notThere('Source', spec.source));
  checkOutputTopic(spec, source, say);
  if (!source) return;
  const columns = Object.keys(source.schema);
  const check = (field: string, column: string): void => {
    if (source.schema[column] === undefined) say(field, noColumn(column, columns));
  };
  for (const [input, column] of Object.entries(spec.inputs ?? {})) check(`spec.inputs.${input}`, column);
  (spec.output.columns ?? []).forEach((column, index) => check(`spec.output.columns[${index}]`, column));
  if (spec.unit !== undefined) check('spec.unit', spec.unit);
  const wanted = deployment?.featureService === undefined ? [] : wantedBy(deployment.featureService, lookup);
  const experiment = deployment?.experiment === undefined ? undefined : lookup('Experiment', deployment.experiment);
  // A unit is a join key or a request field, or the request says it.
  if (deployment?.experiment !== undefined && spec.unit === undefined && !wanted.some(({ name }) => name === experiment?.unit)) {
    const unit = experiment?.unit ?? 'its unit';
    const example = source.schema[unit] === undefined ? (columns[0] ?? 'column') : unit;
    say(
      'spec.unit',
      `is missing; Deployment ${spec.deployment} runs Experiment ${deployment.experiment}, which assigns ${unit}: say which column of Source ${spec.source} that is, for example unit: ${example}`,
    );
  }
  for (const { name, what } of wanted) {
    if (spec.inputs?.[name] === undefined && source.schema[name] === undefined)
      say(
        'spec.inputs',
        `${what} ${name} is not a column of Source ${spec.source}; say which column it is, for example {${name}: ${columns[0] ?? 'column'}}`,
      );
  }
}

function checkOutputTopic({ source: name, output: { topic } }: StreamingInferenceSpec, source: SourceSpec | undefined, say: Say): void {
  if (source && sourceTopic(name, source) === topic) say('spec.output.topic', `is the topic of Source ${name} itself; take another`);
  checkTopic(topic, (message) => say('spec.output.topic', message));
}

/** The join keys and request features of a feature service. What is not there is told where the service is applied. */
function wantedBy(featureService: string, lookup: Lookup): { readonly name: string; readonly what: string }[] {
  const { name, version } = parseVersionedName(featureService);
  const service = lookup('FeatureService', name, version);
  if (!service) return [];
  const wanted = new Map<string, string>();
  const keysOf = (view: FeatureViewSpec | undefined): void => {
    if (!view || isOnDemandSpec(view)) return;
    for (const key of Object.keys(lookup('Entity', view.entity)?.joinKeys ?? {})) wanted.set(key, `join key`);
  };
  for (const reference of service.features) {
    const named = parseReference(reference);
    const view = lookup('FeatureView', named.name, named.version);
    keysOf(view);
    if (!view || !isOnDemandSpec(view)) continue;
    for (const field of Object.keys(view.request ?? {})) wanted.set(field, `request field`);
    for (const input of view.inputs ?? []) {
      const read = parseReference(input);
      keysOf(lookup('FeatureView', read.name, read.version));
    }
  }
  for (const field of Object.keys(service.request ?? {})) wanted.set(field, `request feature`);
  return Array.from(wanted, ([key, what]) => ({ name: key, what }));
}
