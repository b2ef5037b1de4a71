import {
  compileView,
  type ColumnType,
  type EntityDefinition,
  type FeatureViewDefinition,
  type SourceDefinition,
  type ViewPlan,
} from '@millrace/feature-engine';
import type { TrainingSetRequested } from '../domain/training-set/training-set.events.js';
import type { SpineKey } from './spine-table.js';

/** Columns of one view's features. */
export interface ViewColumns {
  readonly plan: ViewPlan;
  readonly features: readonly { readonly index: number; readonly column: string; readonly type: string }[];
}

/** The views of a request, compiled from the definitions it carries. */
export function viewsOf(request: Pick<TrainingSetRequested, 'definitions' | 'features'>): ViewColumns[] {
  return request.definitions.map(({ view, entity, source }) => {
    const plan = compileView(
      view as unknown as FeatureViewDefinition,
      entity as unknown as EntityDefinition,
      source as unknown as SourceDefinition,
    );
    const features = request.features.flatMap((feature) => {
      if (feature.view !== plan.name) return [];
      const index = plan.features.findIndex((item) => item.name === feature.feature);
      return [{ index, column: feature.column, type: plan.features[index]?.type ?? '' }];
    });
    return { plan, features };
  });
}

export function keysOf(views: readonly { readonly plan: ViewPlan }[]): SpineKey[] {
  const keys = new Map<string, ColumnType>();
  for (const { plan } of views) for (const key of plan.joinKeys) keys.set(key.name, key.type);
  return [...keys].map(([name, type]) => ({ name, type }));
}

/** A feature's type as a column of the set: times are in UTC, to the millisecond. */
export function columnType(type: string): string {
  if (type === 'Date') return 'Date32';
  return type.startsWith('DateTime') ? "DateTime64(3, 'UTC')" : type;
}
