import type { Aggregate, FeatureDefinition, WindowKind } from './definitions.js';
import { parseDuration } from './duration.js';
import type { Expression } from './expression/compile-expression.js';
import { invalidDefinition, type SourcePlan } from './source-plan.js';
import { viewExpression } from './view-expression.js';
import type { DerivedFeature, PlanColumn, PlanFeature, PlanFilter, WindowGroup } from './view-plan.js';

const DAY = 86_400_000;
const LONGEST_WINDOW = 3_660 * DAY;
const MOST_TOP = 100;
const FEATURE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Aggregates whose values are numbers, and which times have none of. */
const ARITHMETIC: ReadonlySet<Aggregate> = new Set(['sum', 'mean', 'var_pop', 'var_samp', 'stddev_pop', 'stddev_samp', 'quantile']);
const OF_AGGREGATES = ['column', 'window', 'windowKind', 'gap', 'includeCurrent', 'filter', 'k', 'quantile'] as const;
const MOMENTS: ReadonlySet<Aggregate> = new Set(['var_pop', 'var_samp', 'stddev_pop', 'stddev_samp']);

/** Aggregates that take another pass over the events. */
const MORE: ReadonlySet<Aggregate> = new Set([...MOMENTS, 'first', 'count_distinct', 'quantile', 'top_k'] as const);

/** The filters of a view's features, each text once, over the source's columns. */
export function compileFilters(where: string, features: readonly FeatureDefinition[], source: SourcePlan): Map<string, Expression> {
  const filters = new Map<string, Expression>();
  for (const { name, filter } of features) {
    if (filter === undefined || filters.has(filter)) continue;
    const expression = compileFilter(`${where}: filter of ${name}`, name, filter, source);
    filters.set(filter, expression);
  }
  return filters;
}

function compileFilter(where: string, feature: string, filter: string, source: SourcePlan): Expression {
  const at = { feature, field: 'filter' };
  const expression = viewExpression(where, at, filter, source.columns);
  if (expression.type !== 'bool') throw invalidDefinition(`${where}: it must be true or false, such as fare > 10; this is a value`, at);
  return expression;
}

/** A feature's definition, checked. `columnOf` gives the place of a column in the plan, `filters` the plan's. */
export function compileFeature(
  where: string,
  feature: FeatureDefinition,
  columnOf: (name: string) => number,
  columns: readonly PlanColumn[],
  filters: readonly PlanFilter[],
): PlanFeature {
  const { name, aggregate } = feature;
  if (aggregate === undefined) return unaggregated(where, feature);
  if (feature.expression !== undefined)
    throw invalidDefinition(`${where}: feature ${name} has an aggregate and an expression; it is one or the other`, {
      feature: name,
      field: 'expression',
    });
  checkFeatureName(where, name);
  if (feature.column === undefined && aggregate !== 'count')
    throw invalidDefinition(`${where}: feature ${name} (${aggregate}) needs a column`, { feature: name, field: 'column' });
  const window = compileWindow(where, feature);
  const column = feature.column === undefined ? -1 : columnOf(feature.column);
  const filter = feature.filter === undefined ? -1 : filters.findIndex((item) => item.text === feature.filter);
  const parameter = compileParameter(where, feature);
  return { name, aggregate, column, ...window, filter, parameter, type: featureType(where, name, aggregate, columns[column]) };
}

/** An expression: what it is of is compiled when the other features are. */
function unaggregated(where: string, feature: FeatureDefinition): PlanFeature {
  const { name } = feature;
  if (feature.expression === undefined) throw invalidDefinition(`${where}: feature ${name} needs an aggregate or an expression`);
  checkExpressionAlone(where, feature);
  checkFeatureName(where, name);
  const none = { column: -1, windowMs: 0, kind: 'sliding', gapMs: 0, includeCurrent: false, filter: -1, parameter: 0 } as const;
  return { name, aggregate: 'expression', ...none, type: '' };
}

export function checkFeatureName(where: string, name: string): void {
  if (!FEATURE_NAME.test(name)) throw invalidDefinition(`${where}: feature name ${JSON.stringify(name)} must be letters, digits and _`);
}

/** An expression stands alone: what says how events become a value has no meaning beside it. */
export function checkExpressionAlone(where: string, feature: FeatureDefinition): void {
  const beside = OF_AGGREGATES.find((field) => feature[field] !== undefined);
  if (beside)
    throw invalidDefinition(`${where}: feature ${feature.name} is an expression and takes no ${beside}`, {
      feature: feature.name,
      field: beside,
    });
}

type CompiledWindow = Pick<PlanFeature, 'windowMs' | 'kind' | 'gapMs' | 'includeCurrent'>;

function compileWindow(where: string, feature: FeatureDefinition): CompiledWindow {
  const { name, aggregate, window } = feature;
  const refuse = (field: 'window' | 'gap' | 'filter' | 'includeCurrent', problem: string): Error =>
    invalidDefinition(`${where}: feature ${name} (${aggregate}) ${problem}`, { feature: name, field });
  const kind: WindowKind = feature.windowKind ?? 'sliding';
  const includeCurrent = feature.includeCurrent ?? false;
  if (kind !== 'session' && feature.gap !== undefined) throw refuse('gap', 'has a gap; only windows of kind session have one');
  if (kind === 'lifetime') {
    if (window !== undefined) throw refuse('window', 'has a window; one of kind lifetime has no length');
    return { windowMs: Infinity, kind, gapMs: 0, includeCurrent };
  }
  if (window === undefined) {
    if (aggregate !== 'last' || kind !== 'sliding')
      throw refuse('window', kind === 'session' ? 'needs a window: the longest a session may be' : 'needs a window');
    if (feature.filter !== undefined || feature.includeCurrent !== undefined) {
      const field = feature.filter === undefined ? 'includeCurrent' : 'filter';
      throw refuse(field, 'without a window takes no filter and no includeCurrent; a windowKind of lifetime does');
    }
    return { windowMs: 0, kind, gapMs: 0, includeCurrent };
  }
  const windowMs = duration(where, `window of ${name}`, window);
  if (windowMs < 1 || windowMs > LONGEST_WINDOW)
    throw invalidDefinition(`${where}: window of ${name} must be between 1ms and 3660d`, { feature: name, field: 'window' });
  if (kind !== 'session') return { windowMs, kind, gapMs: 0, includeCurrent };
  if (feature.gap === undefined) throw refuse('gap', 'needs a gap: the longest time between two events of a session');
  const gapMs = duration(where, `gap of ${name}`, feature.gap);
  if (gapMs < 1 || gapMs > windowMs)
    throw invalidDefinition(`${where}: gap of ${name} must be between 1ms and its window`, { feature: name, field: 'gap' });
  return { windowMs, kind, gapMs, includeCurrent };
}

function compileParameter(where: string, { name, aggregate, k, quantile }: FeatureDefinition): number {
  const refuse = (field: 'k' | 'quantile', problem: string): Error =>
    invalidDefinition(`${where}: feature ${name} (${aggregate}) ${problem}`, { feature: name, field });
  if (k !== undefined && aggregate !== 'top_k') throw refuse('k', 'has a k; only top_k has one');
  if (quantile !== undefined && aggregate !== 'quantile') throw refuse('quantile', 'has a quantile; only the aggregate quantile has one');
  if (aggregate === 'top_k') {
    if (k === undefined || !Number.isInteger(k) || k < 1 || k > MOST_TOP)
      throw refuse('k', `needs k, a whole number from 1 to ${MOST_TOP}`);
    return k;
  }
  if (aggregate !== 'quantile') return 0;
  if (quantile === undefined || !(quantile >= 0 && quantile <= 1))
    throw refuse('quantile', 'needs quantile, a number from 0 to 1 such as 0.95');
  return quantile;
}

function featureType(where: string, name: string, aggregate: Aggregate, column: PlanColumn | undefined): string {
  if (aggregate === 'count' || aggregate === 'count_distinct' || !column) return 'Int64';
  const refuse = (kind: 'text' | 'time'): Error =>
    invalidDefinition(`${where}: feature ${name} cannot take ${aggregate} of the ${kind} column ${column.name}`, {
      feature: name,
      field: 'column',
    });
  if (aggregate === 'last' || aggregate === 'first') return column.type.name;
  if (aggregate === 'top_k') {
    if (column.type.isTime) throw refuse('time');
    return 'String';
  }
  if (column.kind === 'string') throw refuse('text');
  if (!ARITHMETIC.has(aggregate)) return column.type.name;
  if (column.type.isTime) throw refuse('time');
  return aggregate === 'sum' && (column.type.isInteger || column.type.name === 'Bool') ? 'Int64' : 'Float64';
}

/** Features over the same events and the same column are answered together. */
export function groupFeatures(features: readonly PlanFeature[]): WindowGroup[] {
  const groups = new Map<string, { -readonly [K in keyof WindowGroup]: WindowGroup[K] } & { features: number[] }>();
  for (const [index, feature] of features.entries()) {
    const { windowMs, kind, gapMs, includeCurrent, filter, column, aggregate } = feature;
    if (windowMs === 0 || aggregate === 'expression') continue;
    const key = [windowMs, kind, gapMs, includeCurrent, filter, column].join('/');
    let group = groups.get(key);
    if (!group) {
      group = {
        windowMs,
        kind,
        gapMs,
        includeCurrent,
        filter,
        column,
        features: [],
        asksMore: false,
        moments: false,
        distinct: false,
        ranks: false,
        top: false,
      };
      groups.set(key, group);
    }
    group.features.push(index);
    group.asksMore ||= MORE.has(aggregate);
    group.moments ||= MOMENTS.has(aggregate);
    group.distinct ||= aggregate === 'count_distinct';
    group.ranks ||= aggregate === 'quantile';
    group.top ||= aggregate === 'top_k';
  }
  return [...groups.values()];
}

/** A feature as its view's version names it: what is at its default is left out, so that definitions written before it existed keep theirs. */
export function versionedFeature(
  feature: PlanFeature,
  filters: readonly PlanFilter[],
  derived: DerivedFeature | undefined,
): Readonly<Record<string, unknown>> {
  if (derived) return { name: feature.name, expression: derived.text, type: feature.type };
  const { name, aggregate, column, windowMs, type, kind, gapMs, includeCurrent, filter, parameter } = feature;
  return {
    name,
    aggregate,
    column,
    windowMs,
    type,
    ...(kind === 'sliding' ? {} : { kind, gapMs }),
    ...(includeCurrent ? { includeCurrent } : {}),
    ...(filter < 0 ? {} : { filter: filters[filter]?.text }),
    ...(parameter === 0 && aggregate !== 'quantile' ? {} : { parameter }),
  };
}

export function duration(where: string, field: string, text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined)
    throw invalidDefinition(`${where}: ${field} ${JSON.stringify(text)} is not a duration such as 30m, 6h or 7d`);
  return milliseconds;
}
