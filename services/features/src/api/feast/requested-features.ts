import { isOnDemand, servicePlan, type ServedView, type ServicePlan, type ViewPlan } from '@millrace/feature-engine';
import { resolveFeatures, type OnlineCatalog, type OnlineFeaturesProblem } from '../../queries/get-online-features.query.js';

export interface FeatureRequest {
  readonly features: readonly string[] | undefined;
  readonly featureService: string | undefined;
  readonly fullFeatureNames: boolean;
}

/** A request's features, resolved. */
export interface Requested {
  readonly plan: ServicePlan;
  /** What the columns are called, in the plan's order. */
  readonly names: readonly string[];
  /** Names that more than one of them has. */
  readonly repeated: readonly string[];
}

const MOST_REMEMBERED = 1_000;

/** Resolves what requests ask for. Most requests ask for what others asked before, so the outcome is kept while the definitions stand. */
export class RequestedFeatures {
  readonly #known = new Map<string, Requested & { readonly views: readonly ServedView[]; readonly service: ServicePlan | undefined }>();

  constructor(private readonly catalog: OnlineCatalog) {}

  resolve(request: FeatureRequest, isStrict: boolean): Requested | OnlineFeaturesProblem {
    const { featureService, features } = request;
    const key = `${isStrict ? 's' : 'm'}${request.fullFeatureNames ? 'f' : 'n'}${featureService === undefined ? `:${(features ?? []).join('\0')}` : `/${featureService}`}`;
    const known = this.#known.get(key);
    if (known && this.#isCurrent(known, featureService)) return known;
    const plan = isStrict && featureService === undefined ? this.#strictly(features ?? []) : resolveFeatures(this.catalog, request);
    if ('kind' in plan) return plan;
    const names = plan.features.map(({ view, name }) => (request.fullFeatureNames ? `${view.name}__${name}` : name));
    const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
    const service = featureService === undefined ? undefined : plan;
    const resolved = { plan: isStrict ? ageless(plan) : plan, names, repeated, views: viewsOf(plan), service };
    if (this.#known.size >= MOST_REMEMBERED) this.#known.clear();
    this.#known.set(key, resolved);
    return resolved;
  }

  /** Plans are made anew when a definition changes. */
  #isCurrent(
    known: { readonly views: readonly ServedView[]; readonly service: ServicePlan | undefined },
    service: string | undefined,
  ): boolean {
    if (service !== undefined) return this.catalog.service(service) === known.service;
    return known.views.every((view) => this.catalog.view(view.name) === view);
  }

  /** Feast takes no view without a feature. */
  #strictly(features: readonly string[]): ServicePlan | OnlineFeaturesProblem {
    const whole = features.find((reference) => !reference.includes(':'));
    return whole === undefined
      ? resolveFeatures(this.catalog, { features, featureService: undefined })
      : { kind: 'no-reference', reference: whole };
  }
}

/** Feast's server serves a value of any age. A ttl says nothing about what is stored, so the same state answers. */
function ageless(plan: ServicePlan): ServicePlan {
  const stored = new Map(plan.views.map((view) => [view, { ...view, ttlMs: 0 }]));
  const ofInput = (view: ViewPlan): ViewPlan => stored.get(view) ?? view;
  const views = new Map<ServedView, ServedView>(stored);
  for (const view of plan.onDemand)
    views.set(view, { ...view, inputs: view.inputs.map((input) => ({ ...input, view: ofInput(input.view) })) });
  const features = plan.features.map((feature) => ({ ...feature, view: views.get(feature.view) as ServedView }));
  return servicePlan(features, plan.request);
}

/** The views asked for, and those that others are computed from. */
function viewsOf(plan: ServicePlan): ServedView[] {
  return [...new Set<ServedView>([...plan.views, ...plan.features.map(({ view }) => view).filter(isOnDemand)])];
}
