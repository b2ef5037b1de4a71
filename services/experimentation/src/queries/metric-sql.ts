import type { SqlParameters } from '@millrace/offline-store';
import type { Metric } from '../domain/experiment/experiment.js';

/**
 * One value per unit, then count, mean and variance per variant. Only what came at or after the unit's first exposure counts. An outcome told
 * twice (same id) counts once. Parameters: {@link metricParameters}.
 */
export function metricSql(metric: Metric): string {
  return `
SELECT first_variant AS variant, count() AS n, avg(unit_value) AS mean, varSampStable(unit_value) AS variance
FROM
(
${metric.source === 'outcome' ? outcomeUnits(metric.type) : labelUnits(metric.type)}
)
GROUP BY first_variant`;
}

/** A label that was given no name is called `label`. */
export function metricParameters(experiment: string, metric: Metric): SqlParameters {
  if (metric.source === 'outcome') return { experiment, metric: metric.name };
  return { experiment, labels: metric.label === undefined ? [metric.name, 'label'] : [metric.label] };
}

/** Every exposed unit has a value: who shows no outcome has none of it. */
function outcomeUnits(type: Metric['type']): string {
  const value = type === 'proportion' ? 'toFloat64(countIf(o.value != 0) > 0)' : 'sum(o.value)';
  return `    SELECT e.first_variant AS first_variant, e.unit AS unit, ${value} AS unit_value
    FROM (SELECT * FROM millrace.first_exposures WHERE experiment = {experiment:String}) AS e
    LEFT JOIN
    (
        SELECT unit, time, value FROM millrace.outcomes FINAL
        WHERE experiment = {experiment:String} AND metric = {metric:String}
        ORDER BY outcome_id, time, _partition, _offset
        LIMIT 1 BY outcome_id
    ) AS o ON o.unit = e.unit AND o.time >= e.exposed_at
    GROUP BY e.first_variant, e.unit`;
}

/**
 * A unit counts once a label of one of its predictions has come: before that its value is not known, which is not zero. Which labels
 * count is in parameter `labels`.
 */
function labelUnits(type: Metric['type']): string {
  const value = {
    mean: 'avg(l.latest.1)',
    proportion: 'toFloat64(countIf(l.latest.1 != 0) > 0)',
    squaredError: 'avg((p.prediction - l.latest.1) * (p.prediction - l.latest.1))',
  }[type];
  return `    SELECT e.first_variant AS first_variant, e.unit AS unit, ${value} AS unit_value
    FROM (SELECT * FROM millrace.first_exposures WHERE experiment = {experiment:String}) AS e
    INNER JOIN
    (
        SELECT * FROM millrace.predictions FINAL WHERE experiment = {experiment:String} AND error_code = '' AND unit IS NOT NULL
    ) AS p ON assumeNotNull(p.unit) = e.unit AND p.variant = e.first_variant AND p.time >= e.exposed_at
    INNER JOIN
    (
        SELECT * FROM millrace.prediction_labels WHERE name IN {labels:Array(String)} AND latest.1 IS NOT NULL
    ) AS l ON l.prediction_id = p.prediction_id AND l.row = p.row AND l.deployment = p.deployment
    ${type === 'squaredError' ? 'WHERE p.prediction IS NOT NULL' : ''}
    GROUP BY e.first_variant, e.unit`;
}

/** Units per variant by first exposure, and how many of them met more than one variant. Parameter: `experiment`. */
export const EXPOSED_UNITS_SQL = `
SELECT first_variant AS variant, count() AS units, countIf(variants > 1) AS multiple
FROM millrace.first_exposures
WHERE experiment = {experiment:String}
GROUP BY first_variant`;
