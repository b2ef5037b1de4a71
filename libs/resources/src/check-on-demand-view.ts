import {
  compileOnDemandFeature,
  compileScope,
  compileView,
  parseFeatureReference,
  type OnDemandViewDefinition,
  type ViewPlan,
} from '@millrace/feature-engine';
import { isFault } from '@millrace/kernel';
import type { Lookup } from './check-documents.js';
import { hasNamedFeature, namedView } from './check-view-reference.js';
import { parseReference, parseVersionedName, type ViewResources } from './feature-references.js';
import { isOnDemandSpec, type OnDemandViewSpec, type StoredViewSpec } from './resource.js';
import { refusal, type Say } from './say.js';
import { sourceDefinition } from './source-definition.js';

/** Fields that say how a view is kept, which one computed on demand is not. */
const OF_STORED_VIEWS = ['entity', 'source', 'ttl', 'online', 'history', 'span'] as const;

/** Finds a version of a view with what it rested on. */
export type PinnedView = (reference: string) => ViewResources | undefined;

/** What the schema of a view computed on demand cannot say: inputs that must exist, names that must differ, expressions that must fit. */
export function checkOnDemandView(spec: OnDemandViewSpec, say: Say, lookup: Lookup, pinned: PinnedView, name: string): void {
  const beside = OF_STORED_VIEWS.filter((field) => field in spec);
  for (const field of beside) {
    say(
      `spec.${field}`,
      `cannot stand beside ${spec.inputs ? 'inputs' : 'request'}: a view computed on demand keeps nothing; remove one of them`,
    );
  }
  const plans = new Map<string, ViewPlan>();
  let isSound = beside.length === 0;
  spec.inputs?.forEach((reference, index) => {
    const field = `spec.inputs[${index}]`;
    const refuse = (message: string): void => {
      isSound = false;
      say(field, message);
    };
    const named = parseReference(reference);
    const found = namedView(named, lookup, refuse);
    if (!found) return;
    if (isOnDemandSpec(found)) {
      return refuse(`FeatureView ${named.name} is itself computed on demand; name the views that it reads, and repeat its expression`);
    }
    if (!hasNamedFeature(named, found, refuse)) return;
    const called = parseFeatureReference(reference).view;
    const plan = plans.get(called) ?? inputPlan(called, found, lookup, pinned);
    // What is wrong with the view itself is said of it.
    if (plan) plans.set(called, plan);
    else isSound = false;
  });
  if (!isSound) return;
  const definition: OnDemandViewDefinition = { name, ...spec };
  refusal(
    () => {
      const scope = compileScope(definition, (view) => plans.get(view));
      const names = new Set<string>();
      spec.features.forEach((feature, index) => {
        const field = `spec.features[${index}]`;
        if (names.has(feature.name)) say(`${field}.name`, `${feature.name} is there twice`);
        names.add(feature.name);
        refusal(
          () => compileOnDemandFeature(`feature view ${name}`, feature, scope),
          (message) => say(`${field}.expression`, withoutPlace(message)),
        );
      });
    },
    (message) => say(spec.inputs ? 'spec.inputs' : 'spec.request', withoutPlace(message)),
  );
}

/** The engine says whose definition it is; here the field says so. */
function withoutPlace(message: string): string {
  return message.replace(/^feature view [^:]+: (expression of \w+: )?/, '');
}

/** The view or the version of one that is called so. */
function inputPlan(called: string, spec: StoredViewSpec, lookup: Lookup, pinned: PinnedView): ViewPlan | undefined {
  const { name, version } = parseVersionedName(called);
  try {
    if (version !== undefined) {
      const found = pinned(called);
      return found && compileView(found.view, found.entity, found.source);
    }
    const [source, entity] = [lookup('Source', spec.source), lookup('Entity', spec.entity)];
    return source && entity && compileView({ name, ...spec }, { name: spec.entity, ...entity }, sourceDefinition(spec.source, source));
  } catch (error) {
    if (!isFault(error)) throw error;
    return undefined;
  }
}
