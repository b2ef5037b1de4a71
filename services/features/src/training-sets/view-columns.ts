import {
  compileOnDemandView,
  compileView,
  isOnDemand,
  servicePlan,
  type ColumnType,
  type EntityDefinition,
  type FeatureViewDefinition,
  type OnDemandColumn,
  type OnDemandViewDefinition,
  type ServedView,
  type ServicePlan,
  type SourceDefinition,
  type ViewPlan,
} from '@millrace/feature-engine';
import type { TrainingSetRequested } from '../domain/training-set/training-set.events.js';
import type { SpineKey } from './spine-table.js';

/** A feature as a column of the set; without a name it is only computed from. */
export interface SetColumn {
  readonly column: string | undefined;
  readonly type: string;
}

/** Columns of one view's features. */
export interface ViewColumns {
  readonly plan: ViewPlan;
  readonly features: readonly (SetColumn & { readonly index: number })[];
}

/** Columns computed from those of the views and from the spine. */
export interface OnDemandColumns {
  /** Of the features of the set. */
  readonly plan: ServicePlan;
  readonly features: readonly (SetColumn & { readonly computed: OnDemandColumn })[];
}

export interface SetColumns {
  readonly views: readonly ViewColumns[];
  readonly onDemand: OnDemandColumns | undefined;
}

type Definitions = Pick<TrainingSetRequested, 'definitions' | 'features' | 'onDemand'>;

/** The views of a request, compiled from the definitions it carries, and of each the features that are asked for or computed from. */
export function columnsOf({ definitions, features, onDemand = [] }: Definitions): SetColumns {
  const stored = definitions.map(({ view, entity, source }) =>
    compileView(view as unknown as FeatureViewDefinition, entity as unknown as EntityDefinition, source as unknown as SourceDefinition),
  );
  const find = (name: string): ViewPlan | undefined => stored.find((plan) => plan.name === name);
  const computed = onDemand.map((definition) => compileOnDemandView(definition as unknown as OnDemandViewDefinition, find));
  const plan = servicePlan(
    features.map(({ view: name, feature }) => {
      const view = [...stored, ...computed].find((item: ServedView) => item.name === name) as ServedView;
      return { view, feature: view.features.findIndex((item) => item.name === feature), name: feature };
    }),
  );
  const columnOf = (view: string, name: string): string | undefined =>
    features.find((item) => item.view === view && item.feature === name)?.column;
  const views = stored.flatMap((view) => {
    const own = plan.stored.filter((item) => item.view === view);
    return own.length === 0
      ? []
      : [
          {
            plan: view,
            features: own.map(({ feature, name }) => ({
              index: feature,
              column: columnOf(view.name, name),
              type: view.features[feature]?.type ?? '',
            })),
          },
        ];
  });
  if (plan.onDemand.length === 0) return { views, onDemand: undefined };
  const own = plan.columns.flatMap((item) =>
    typeof item === 'number' ? [] : [{ column: columnOf(item.view.name, item.feature.name), type: item.feature.type, computed: item }],
  );
  return { views, onDemand: { plan, features: own } };
}

export function keysOf({ views }: SetColumns): SpineKey[] {
  const keys = new Map<string, ColumnType>();
  for (const { plan } of views) for (const key of plan.joinKeys) keys.set(key.name, key.type);
  return [...keys].map(([name, type]) => ({ name, type }));
}

/** What the spine has to have beside the join keys, and for whom. */
export function fieldsOf({ onDemand }: SetColumns): (SpineKey & { readonly view: string })[] {
  if (!onDemand) return [];
  const { request, onDemand: views } = onDemand.plan;
  return request.map((field) => ({
    ...field,
    view: views.find((view) => view.request.some(({ name }) => name === field.name))?.name ?? '',
  }));
}

/** The views that a service's features rest on: those that are read, and all that its on-demand views name. */
export function definingViews(service: ServicePlan): ViewPlan[] {
  const named = service.features.flatMap(({ view }) => (isOnDemand(view) ? view.inputs.map((input) => input.view) : []));
  return [...new Set([...service.views, ...named])];
}

/** A feature's type as a column of the set: times are in UTC, to the millisecond. */
export function columnType(type: string): string {
  if (type === 'Date') return 'Date32';
  return type.startsWith('DateTime') ? "DateTime64(3, 'UTC')" : type;
}
