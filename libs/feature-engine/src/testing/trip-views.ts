import { compileOnDemandView, type OnDemandPlan } from '../on-demand/compile-on-demand-view.js';
import type { OnDemandViewDefinition } from '../definitions.js';
import { compileView, type ViewPlan } from '../view-plan.js';

const SCHEMA = {
  at: 'DateTime64(3)',
  city: 'String',
  line: 'Int32',
  fare: 'Nullable(Float64)',
  micros: 'Nullable(Int64)',
  driver: 'Nullable(String)',
  seen: 'Nullable(DateTime64(3))',
  late: 'Nullable(Bool)',
};
export const SOURCE = { name: 'trips', topic: 'trips', eventTime: 'at', key: ['city'], schema: SCHEMA };
export const CITY = { name: 'place', joinKeys: { city: 'String' } };
const ROUTE = { name: 'route', joinKeys: { city: 'String', line: 'Int32' } };

export const cityTrips = compileView(
  {
    name: 'city_trips',
    entity: 'place',
    source: 'trips',
    ttl: '2s',
    features: [
      { name: 'trips_1s', aggregate: 'count', window: '1s' },
      { name: 'micros_1s', aggregate: 'sum', column: 'micros', window: '1s' },
      { name: 'fare', aggregate: 'last', column: 'fare' },
      { name: 'driver', aggregate: 'last', column: 'driver' },
      { name: 'seen', aggregate: 'last', column: 'seen' },
      { name: 'late', aggregate: 'last', column: 'late' },
      { name: 'doubled', expression: 'trips_1s * 2' },
      { name: 'wide', expression: 'micros_1s + 1' },
    ],
  },
  CITY,
  SOURCE,
);
export const routeTrips = compileView(
  { name: 'route_trips', entity: 'route', source: 'trips', features: [{ name: 'fare', aggregate: 'last', column: 'fare' }] },
  ROUTE,
  SOURCE,
);
export const STORED: ReadonlyMap<string, ViewPlan> = new Map([cityTrips, routeTrips].map((plan) => [plan.name, plan]));
const find = (name: string): ViewPlan | undefined => STORED.get(name);

/** A view called `checks` over these. */
export function compileChecks(definition: Partial<OnDemandViewDefinition>): OnDemandPlan {
  return compileOnDemandView({ name: 'checks', features: [{ name: 'x', expression: 'distance' }], ...definition }, find);
}
