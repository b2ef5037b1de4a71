import { AT_LEAST, jsonOf, LIST_PAGE, PAGED } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { placeOf } from '../../queries/audit.query.js';
import type { DeliveryStatus, LineageEventsPage } from '../../queries/open-lineage.query.js';
import { LINEAGE_DELIVERY_ANSWER, LINEAGE_EVENTS_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { invalid, RequestFields } from './fields.js';

export interface OpenLineageApi {
  readonly page: (limit: number, pageToken: string | undefined) => Promise<LineageEventsPage>;
  /** `undefined` when nothing is sent anywhere. */
  readonly delivery: () => DeliveryStatus | undefined;
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
}

const QUERY = { ...PAGED, ...AT_LEAST };

/** `GET /api/v1/lineage/events`: what happened, as OpenLineage events, oldest first; `GET /api/v1/lineage/delivery`: how sending them goes. */
export function openLineageRoutes(scope: FastifyInstance, api: OpenLineageApi): void {
  const telling = doc('What happened, as OpenLineage events, the oldest first.', { query: QUERY, answer: jsonOf(LINEAGE_EVENTS_ANSWER) });
  scope.get('/api/v1/lineage/events', telling, async (request) => {
    const fields = new RequestFields(request.query, Object.keys(QUERY));
    const limit = fields.number('limit') ?? LIST_PAGE.usual;
    if (limit > LIST_PAGE.highest) throw invalid('limit', `is at most ${LIST_PAGE.highest}`);
    const token = fields.text('pageToken');
    if (token !== undefined && !placeOf(token)) throw invalid('pageToken', 'is not one this list gave');
    await api.upToDate(request);
    const { events, ...rest } = await api.page(limit, token);
    return { events: events.map(({ body }) => body), ...rest };
  });
  const sending = doc('How sending OpenLineage events to their receiver goes.', { answer: jsonOf(LINEAGE_DELIVERY_ANSWER) });
  scope.get('/api/v1/lineage/delivery', sending, async () => {
    const status = api.delivery();
    return status ? { isOn: true, ...status } : { isOn: false };
  });
}
