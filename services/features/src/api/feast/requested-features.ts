import { isOnDemand, type ServedView, type ServicePlan } from '@millrace/feature-engine';
import { ageless } from '../../definitions/ageless.js';
import type { ReadLogRules } from '../../reads/read-log.js';
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
  /** What of such reads is logged, if anything. */
  readonly readLog: ReadLogRules | undefined;
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
    const readLog = featureService === undefined ? undefined : this.catalog.readLog(featureService);
    const resolved = { plan: isStrict ? ageless(plan) : plan, names, repeated, readLog, views: viewsOf(plan), service };
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

/** The views asked for, and those that others are computed from. */
function viewsOf(plan: ServicePlan): ServedView[] {
  return [...new Set<ServedView>([...plan.views, ...plan.features.map(({ view }) => view).filter(isOnDemand)])];
}
