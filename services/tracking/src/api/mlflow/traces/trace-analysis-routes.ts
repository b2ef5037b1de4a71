import { invalid, offsetOf, pageToken, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import {
  TOKEN_METRICS,
  type Aggregation,
  type TraceDimension,
  type TraceMetric,
  type TraceMetricRow,
} from '../../../queries/trace-metrics.query.js';
import type { TraceCriterion } from '../../../queries/trace-sql.js';
import { maxResultsOf } from '../fields.js';
import { foundPage } from '../key-page-token.js';
import type { TracesApi } from './context.js';
import { correlationOf } from './correlation.js';
import { traceCriteriaOf } from './trace-search.js';

const MOST_ROWS = 1000;
const MOST_EXPERIMENTS = 1000;
/** By the numbers of MLflow's protocol buffers and by their names. */
const VIEWS: Readonly<Record<string, 'traces' | 'spans' | 'assessments'>> = {
  ...{ 1: 'traces', 2: 'spans', 3: 'assessments' },
  ...{ TRACES: 'traces', SPANS: 'spans', ASSESSMENTS: 'assessments' },
};
const KINDS: Readonly<Record<string, Aggregation['kind']>> = {
  ...{ 1: 'COUNT', 2: 'SUM', 3: 'AVG', 4: 'PERCENTILE', 5: 'MIN', 6: 'MAX' },
  ...{ COUNT: 'COUNT', SUM: 'SUM', AVG: 'AVG', PERCENTILE: 'PERCENTILE', MIN: 'MIN', MAX: 'MAX' },
};
const SPREAD: readonly Aggregation['kind'][] = ['AVG', 'MIN', 'MAX', 'PERCENTILE'];
interface Measure {
  readonly aggregations: readonly Aggregation['kind'][];
  readonly dimensions: readonly TraceDimension[];
}

const TOKENS: Measure = { aggregations: ['SUM', ...SPREAD], dimensions: ['trace_name'] };

/** What can be measured of what, how, and by which properties. */
const MEASURES: Readonly<Record<'traces' | 'spans', Readonly<Partial<Record<TraceMetric, Measure>>>>> = {
  traces: {
    trace_count: { aggregations: ['COUNT'], dimensions: ['trace_name', 'trace_status'] },
    latency: { aggregations: SPREAD, dimensions: ['trace_name'] },
    ...Object.fromEntries(TOKEN_METRICS.map((metric): [string, Measure] => [metric, TOKENS])),
  },
  spans: {
    span_count: { aggregations: ['COUNT'], dimensions: ['span_name', 'span_status'] },
    latency: { aggregations: SPREAD, dimensions: ['span_name', 'span_status'] },
  },
};

/** Figures of many traces, as the charts of MLflow's UI ask for them. */
export function traceAnalysisRoutes(api: TracesApi): MlflowRoute[] {
  return [
    {
      method: 'POST',
      path: 'traces/calculate-filter-correlation',
      api: '3.0',
      access: 'viewer',
      handle: async ({ fields }) => {
        const counts = await api.count({
          experimentIds: experimentIdsOf(fields),
          among: traceCriteriaOf(fields.string('base_filter') ?? ''),
          first: traceCriteriaOf(fields.requiredString('filter_string1')),
          second: traceCriteriaOf(fields.requiredString('filter_string2')),
        });
        const { npmi, smoothed } = correlationOf(counts);
        return {
          // Not defined is not there: JSON has no NaN.
          ...(Number.isNaN(npmi) ? {} : { npmi }),
          ...(Number.isNaN(smoothed) ? {} : { npmi_smoothed: smoothed }),
          ...{ filter1_count: counts.first, filter2_count: counts.second, joint_count: counts.both, total_count: counts.total },
        };
      },
    },
    {
      method: 'POST',
      path: 'traces/metrics',
      api: '3.0',
      access: 'viewer',
      handle: async ({ fields }) => {
        const experimentIds = experimentIdsOf(fields);
        const of = viewOf(fields);
        const { metric, aggregations, dimensions } = measureOf(fields, of);
        const limit = maxResultsOf(fields, MOST_ROWS, MOST_ROWS);
        const offset = offsetOf(fields.string('page_token'));
        const intervalSeconds = fields.integer('time_interval_seconds');
        if (intervalSeconds !== undefined && intervalSeconds < 1) throw invalid('time_interval_seconds must be at least 1.');
        const criteria = [...fields.strings('filters').flatMap(traceCriteriaOf), ...timesOf(fields)];
        const rows = await api.metrics({ experimentIds, of, metric, aggregations, dimensions, criteria, intervalSeconds, limit, offset });
        const { page, next } = foundPage(rows, limit, () => pageToken(offset + limit));
        return { data_points: page.map((row) => pointJson(metric, aggregations, row)), ...next };
      },
    },
  ];
}

function experimentIdsOf(fields: Fields): readonly string[] {
  const ids = [...new Set(fields.strings('experiment_ids'))];
  if (ids.length === 0) throw fields.missing('experiment_ids');
  if (ids.length > MOST_EXPERIMENTS) throw invalid(`At most ${MOST_EXPERIMENTS} experiment_ids are taken at once, got ${ids.length}.`);
  return ids;
}

function viewOf(fields: Fields): 'traces' | 'spans' {
  if (!fields.has('view_type')) throw fields.missing('view_type');
  const given = fields.values['view_type'];
  const view = typeof given === 'string' || typeof given === 'number' ? VIEWS[given] : undefined;
  if (view === undefined) throw fields.wrong('view_type');
  if (view === 'assessments') throw invalid(`Invalid value ASSESSMENTS for parameter 'view_type': TRACES and SPANS are measured here.`);
  return view;
}

function measureOf(fields: Fields, of: 'traces' | 'spans') {
  const name = fields.requiredString('metric_name');
  const measures = MEASURES[of];
  const metric = (Object.keys(measures) as TraceMetric[]).find((one) => one === name);
  const measure = metric && measures[metric];
  if (!metric || !measure) throw invalid(`Invalid metric_name '${name}' of ${of}. Valid values are ${Object.keys(measures).join(', ')}.`);
  const aggregations = fields.messages('aggregations').map(aggregationOf);
  if (aggregations.length === 0) throw fields.missing('aggregations');
  const wrong = aggregations.find(({ kind }) => !measure.aggregations.includes(kind));
  if (wrong) throw invalid(`Invalid aggregation ${wrong.kind} of ${name}. Valid values are ${measure.aggregations.join(', ')}.`);
  const dimensions = [...new Set(fields.strings('dimensions'))].map((dimension) => {
    const known = measure.dimensions.find((one) => one === dimension);
    if (!known) throw invalid(`Invalid dimension '${dimension}' of ${name}. Valid values are ${measure.dimensions.join(', ')}.`);
    return known;
  });
  return { metric, aggregations, dimensions };
}

function aggregationOf(fields: Fields): Aggregation {
  const given = fields.values['aggregation_type'];
  const kind = typeof given === 'string' || typeof given === 'number' ? KINDS[given] : undefined;
  if (!kind) throw fields.wrong('aggregation_type');
  if (kind !== 'PERCENTILE') return { kind };
  const at = fields.requiredDouble('percentile_value');
  if (!(at >= 0 && at <= 100)) throw invalid(`Invalid percentile_value ${at}: it must be between 0 and 100.`);
  return { kind, at };
}

function timesOf(fields: Fields): TraceCriterion[] {
  const [from, to] = [fields.integer('start_time_ms'), fields.integer('end_time_ms')];
  const at = (operator: '>=' | '<=', value: number | undefined): TraceCriterion[] =>
    value === undefined ? [] : [{ on: 'attribute', key: 'timestamp_ms', operator, value }];
  return [...at('>=', from), ...at('<=', to)];
}

function pointJson(metric: TraceMetric, aggregations: readonly Aggregation[], { from, dimensions, values }: TraceMetricRow): object {
  const named = aggregations.map((aggregation, index) => [labelOf(aggregation), values[index]] as const);
  return {
    metric_name: metric,
    dimensions: { ...(from === undefined ? {} : { time_bucket: new Date(from).toISOString().replace('.000Z', '+00:00') }), ...dimensions },
    values: Object.fromEntries(named.filter(([, value]) => value !== null)),
  };
}

/** `P99.0`, as Python writes the number. */
function labelOf(aggregation: Aggregation): string {
  if (aggregation.kind !== 'PERCENTILE') return aggregation.kind;
  return `P${Number.isInteger(aggregation.at) ? aggregation.at.toFixed(1) : String(aggregation.at)}`;
}
