import type { PlanColumn, PlanFeature, ViewPlan } from '@millrace/feature-engine';
import { quoteIdentifier, quoteTable } from '@millrace/offline-store';
import { columnType, sourceTable } from '../sources/source-table.js';
import { createView, type ViewColumn } from './create-view.js';

export const FEATURES_PREFIX = 'features_';

/** Aggregates that ClickHouse computes as the engine does; floating-point sums are added in another order, so that the last digits may differ. */
const IN_SQL: ReadonlySet<string> = new Set(['count', 'sum', 'mean', 'min', 'max']);

/** Whether plain SQL gives the feature's values. What it does not give is in `millrace.feature_values`, from the engine. */
export function isInSql({ windowMs, kind, filter, aggregate }: PlanFeature): boolean {
  if (aggregate === 'expression') return false;
  if (windowMs === 0) return true;
  return filter < 0 && kind !== 'session' && IN_SQL.has(aggregate);
}

/**
 * The statement that makes `millrace.features_<view>`: the view's values at every time an entity had an event. `undefined` when SQL gives none of its features. The rules are the
 * engine's: of events with one id in a chunk the last in the log stands, windows are [T - window, T), a latest value is that of the last event at T.
 */
export function featuresView(plan: ViewPlan): string | undefined {
  const told = plan.features.filter(isInSql);
  if (told.length === 0) return undefined;
  const keys = plan.joinKeys.map((key) => quoteIdentifier(key.name)).join(', ');
  const id = plan.source.columns[plan.source.eventId]?.name;
  const reach = plan.source.movesEvents ? '' : `, floor(__t / ${plan.spanMs})`;
  const standing = id === undefined ? '' : `ORDER BY _partition DESC, _offset DESC LIMIT 1 BY ${keys}, ${quoteIdentifier(id)}${reach}`;
  const values = told.map((feature, index) => `${valueSql(plan, feature, keys)} AS __f${index}`);
  const time = timeName(plan);
  const select = `SELECT ${keys}, __at AS ${time}, ${told.map((feature, index) => `__f${index} AS ${quoteIdentifier(feature.name)}`).join(', ')}
    FROM (SELECT ${keys}, _event_time AS __at, _partition, _offset, ${values.join(', ')}
      FROM (SELECT *, toUnixTimestamp64Milli(_event_time) AS __t FROM ${quoteTable(sourceTable(plan.source.name))} FINAL ${standing}))
    ORDER BY _partition DESC, _offset DESC LIMIT 1 BY ${keys}, __at`;
  const columns: ViewColumn[] = [
    ...plan.joinKeys.map(({ name, type }) => ({ name, type: columnType(type.name, false), comment: `Join key of entity ${plan.entity}.` })),
    { name: time, type: "DateTime64(3, 'UTC')", comment: 'Time of an event of the entity; the values are as of then.' },
    ...told.map((feature) => ({ name: feature.name, type: columnType(feature.type, true), comment: aboutFeature(plan, feature) })),
  ];
  const left = plan.features.filter((feature) => !isInSql(feature)).map(({ name }) => name);
  const about = left.length === 0 ? '' : ` Not here but in millrace.feature_values: ${left.join(', ')}.`;
  return createView(
    `millrace.${FEATURES_PREFIX}${plan.name}`,
    columns,
    select,
    `Values of feature view ${plan.name} at the times of events.${about}`,
  );
}

/** The column of the times. Where the definitions use the name themselves it is called as that of the events is, which they cannot. */
function timeName({ joinKeys, features }: ViewPlan): string {
  return [...joinKeys, ...features].some(({ name }) => name === 'event_time') ? '_event_time' : 'event_time';
}

function valueSql(plan: ViewPlan, { windowMs, kind, includeCurrent, aggregate, column, type }: PlanFeature, keys: string): string {
  const source = plan.columns[column];
  const raw = source && `toNullable(${quoteIdentifier(source.name)})`;
  const cast = columnType(type, true);
  if (windowMs === 0) return `CAST(${raw} AS ${cast})`;
  const start = kind === 'sliding' ? `${windowMs} PRECEDING` : 'UNBOUNDED PRECEDING';
  const part = kind === 'tumbling' ? `${keys}, floor(__t / ${windowMs})` : keys;
  const over = `OVER (PARTITION BY ${part} ORDER BY __t RANGE BETWEEN ${start} AND ${includeCurrent ? 'CURRENT ROW' : '1 PRECEDING'})`;
  switch (aggregate) {
    case 'count':
      return `CAST(count(${raw ?? ''}) ${over} AS ${cast})`;
    case 'sum':
      // A sum that Int64 does not hold is null, as in the engine.
      return type === 'Int64'
        ? `accurateCastOrNull(sum(${numberOf(source, 'Int128')}) ${over}, 'Int64')`
        : finite(`sum(${numberOf(source, 'Float64')}) ${over}`);
    case 'mean':
      return finite(`avg(${numberOf(source, 'Float64')}) ${over}`);
    default:
      return `CAST(${aggregate}(${raw}) ${over} AS ${cast})`;
  }
}

function numberOf(column: PlanColumn | undefined, type: 'Int128' | 'Float64'): string {
  return `CAST(${quoteIdentifier(column?.name ?? '')} AS Nullable(${type}))`;
}

function finite(sql: string): string {
  return `if(isFinite(${sql}), ${sql}, NULL)`;
}

function aboutFeature({ columns }: ViewPlan, { aggregate, column, windowMs, kind, includeCurrent }: PlanFeature): string {
  const of = column < 0 ? 'events' : (columns[column]?.name ?? '');
  if (windowMs === 0) return `Latest ${of}.`;
  const sliding = windowMs === Infinity ? 'all events before' : `the ${windowMs} ms before`;
  const window = kind === 'tumbling' ? `the events so far in an interval of ${windowMs} ms` : sliding;
  return `${aggregate} of ${of} over ${window}${includeCurrent ? ', and at event_time itself' : ''}.`;
}
