import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import { storedJson } from '@millrace/offline-store';
import type { FeaturesRead } from '../domain/read/features-read.js';

export const READS_TABLE = 'millrace.feature_reads';

export const decodeRead = factDecoder(factReader<FeaturesRead>('features', 'FeaturesRead'));

/** One table row per entity row of a read. */
export function readRows({ value: { event, data } }: Item<LoggedFact<FeaturesRead>>): object[] {
  const common = {
    ...{ read_id: data.readId, time: Math.round(event.time), feature_time: Math.round(data.featureTime) },
    ...{ feature_service: data.featureService, service_version: data.serviceVersion },
    ...{ feature_positions: storedJson(data.featurePositions), feature_versions: storedJson(data.featureVersions) },
    ...{ ageless: data.isAgeless, traceparent: data.traceparent },
  };
  return data.rows.map(({ row, entity, request, features, statuses }) => ({
    ...common,
    ...{ row, entity: storedJson(entity), request: storedJson(request ?? {}) },
    ...{ features: storedJson(features), statuses: storedJson(statuses ?? {}) },
  }));
}
