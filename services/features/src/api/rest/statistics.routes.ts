import { isOnDemand, parseFeatureReference, type ServedView, type SourcePlan, type ViewPlan } from '@millrace/feature-engine';
import { jsonOf, ProblemError, type QueryDoc } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { StatisticsSelection } from '../../statistics/read-statistics.js';
import type { StatisticsAnswer } from '../../statistics/statistics.js';
import { FEATURE_STATISTICS_ANSWER, NO_SOURCE, SOURCE_STATISTICS_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { invalid, listOf, one, selectionOf, type StatisticsQuery } from './statistics-request.js';

const INTERVALS: QueryDoc = {
  from: 'Event time, RFC 3339 or milliseconds.',
  to: 'Event time, RFC 3339 or milliseconds.',
  every: 'Length of an interval in whole hours, `6h` or `1d`; `1h` unless given.',
};

export interface StatisticsRoutesOptions {
  /** `undefined` for what is not applied. */
  readonly source: (name: string) => Promise<SourcePlan | undefined>;
  readonly view: (reference: string) => ServedView | undefined;
  readonly ofSource: (name: string, columns: readonly string[], selection: StatisticsSelection) => Promise<StatisticsAnswer>;
  readonly ofEvents: (view: ViewPlan, features: readonly string[], selection: StatisticsSelection) => Promise<StatisticsAnswer>;
  readonly ofServed: (view: ServedView, features: readonly string[], selection: StatisticsSelection) => Promise<StatisticsAnswer>;
}

/**
 * `GET /api/v1/sources/{name}/statistics?column=&from=&to=&every=`: what a source's columns are like, by event time.
 *
 * `GET /api/v1/features/statistics?view=&feature=&of=events|served&from=&to=&every=`: what a view's features are like at the times of events, or as they were served.
 *
 * Times are RFC 3339 or milliseconds, taken outwards to whole intervals of `every` (whole hours, 1h unless said otherwise). A column or feature has a series of
 * `{from, to, count, population, nulls, notFound, outsideMaxAge, distinct, min, max, mean, stddev, quantiles, histogram: {edges, counts}, top}`; intervals without a value are left out.
 * Of what was served, `notFound` counts values of entities without an event and `outsideMaxAge` latest values past their view's ttl, apart from `nulls`; of anything else both are 0. `behind` tells what is not in the numbers yet.
 */
export function statisticsRoutes(scope: FastifyInstance, options: StatisticsRoutesOptions): void {
  const ofColumns = doc('What a source’s columns are like, by event time.', {
    query: { column: 'Only these, separated by commas or given several times.', ...INTERVALS },
    answer: jsonOf(SOURCE_STATISTICS_ANSWER),
    errors: NO_SOURCE,
  });
  scope.get<{ Params: { name: string }; Querystring: StatisticsQuery }>(
    '/api/v1/sources/:name/statistics',
    ofColumns,
    async ({ params, query }) => {
      const plan = await options.source(params.name);
      if (!plan)
        throw new ProblemError(404, 'MR_FEATURES_SOURCE_NOT_FOUND', `there is no source ${JSON.stringify(params.name)}; apply it first`);
      const selection = selectionOf(query, ['column']);
      const columns = listOf(query, 'column');
      const names = plan.columns.map((column) => column.name);
      const unknown = columns.find((name) => !names.includes(name));
      if (unknown !== undefined) throw invalid(`column: source ${plan.name} has no column ${unknown}; it has ${names.join(', ')}`);
      const { columns: found, behind } = await options.ofSource(plan.name, columns, selection);
      return { source: plan.name, behind, columns: found };
    },
  );
  const ofFeatures = doc('What a view’s features are like, at the times of events or as they were served.', {
    query: {
      view: { description: 'A feature view, or name@version.', required: true },
      feature: 'Only these, separated by commas or given several times.',
      of: { description: '`events` unless given.', enum: ['events', 'served'] },
      ...INTERVALS,
    },
    answer: jsonOf(FEATURE_STATISTICS_ANSWER),
    errors: { 404: 'There is no such feature view.' },
  });
  scope.get<{ Querystring: StatisticsQuery }>('/api/v1/features/statistics', ofFeatures, async ({ query }) => {
    const selection = selectionOf(query, ['view', 'feature', 'of']);
    const reference = one(query, 'view');
    if (reference === undefined || reference === '') throw invalid('view is missing; it is the name of a feature view, or name@version');
    const named = parseFeatureReference(reference);
    const view = options.view(named.view);
    if (!view) throw new ProblemError(404, 'MR_FEATURES_VIEW_NOT_FOUND', `there is no feature view ${named.view}; apply it first`);
    const all = view.features.map((feature) => feature.name);
    const wanted = [...(named.feature === undefined ? [] : [named.feature]), ...listOf(query, 'feature')];
    const unknown = wanted.find((name) => !all.includes(name));
    if (unknown !== undefined) throw invalid(`feature: view ${view.name} has no feature ${unknown}; it has ${all.join(', ')}`);
    const of = one(query, 'of') ?? 'events';
    if (of !== 'events' && of !== 'served') throw invalid(`of must be events or served, not ${JSON.stringify(of)}`);
    const features = wanted.length === 0 ? all : [...new Set(wanted)];
    if (of === 'events' && isOnDemand(view))
      throw invalid(`of: view ${view.name} is computed on demand and has no values at the times of events; ask for of=served`);
    const told =
      of === 'events' && !isOnDemand(view) ? options.ofEvents(view, features, selection) : options.ofServed(view, features, selection);
    const { columns: found, behind } = await told;
    return { view: view.name, version: view.version, of, behind, features: found };
  });
}
