import { parseColumnType, servedNames, Status, STATUS_NAMES, type ServicePlan } from '@millrace/feature-engine';
import type { StatisticsColumn } from './read-statistics.js';
import type { SegmentedTable } from './segments.js';
import { hourOf } from './summary-sql.js';

export const PREDICTIONS_TABLE = 'millrace.predictions';

const RAW = 'field.2';
const MISSING = [Status.NOT_FOUND, Status.OUTSIDE_MAX_AGE];

/** Feature values of answered predictions as `<feature service>/<name in its vectors>`, by the hour of the answer. */
export const SERVED_FEATURES: SegmentedTable = {
  of: 'served',
  name: '',
  definition: '',
  table: PREDICTIONS_TABLE,
  values: (where) =>
    `SELECT concat(feature_service, '/', field.1) AS column, hour, _partition, _offset,
       if(${RAW} = 'true', 1, if(${RAW} = 'false', 0, toFloat64OrNull(${RAW}))) AS value,
       if(startsWith(${RAW}, '"'), CAST(JSONExtractString(${RAW}) AS Nullable(String)), NULL) AS text,
       transform(JSONExtractString(statuses, field.1), [${MISSING.map((status) => `'${STATUS_NAMES[status]}'`).join(', ')}], [${MISSING.join(', ')}], 0) AS status
     FROM (SELECT _partition, _offset, feature_service, statuses, ${hourOf('time')} AS hour, JSONExtractKeysAndValuesRaw(features) AS fields FROM ${PREDICTIONS_TABLE}
           WHERE feature_service != '' AND (${where}) LIMIT 1 BY _partition, _offset, _row)
     ARRAY JOIN fields AS field`,
};

/** Where the served values of a view's features are: in each service that has them, under the name they have there. */
export function servedStatisticsColumns(
  services: readonly { readonly name: string; readonly plan: ServicePlan }[],
  view: string,
  features: readonly string[],
): StatisticsColumn[] {
  return services.flatMap(({ name, plan }) => {
    const names = servedNames(plan.features.map((feature) => ({ view: feature.view.name, name: feature.name })));
    return plan.features.flatMap((feature, index) =>
      feature.view.name === view && features.includes(feature.name)
        ? [
            {
              column: `${name}/${names[index]}`,
              isTime: isTimeFeature(feature.view.features[feature.feature]),
              label: feature.name,
            },
          ]
        : [],
    );
  });
}

export function isTimeFeature(feature: { readonly type: string } | undefined): boolean {
  return feature !== undefined && parseColumnType(feature.type)?.isTime === true;
}
