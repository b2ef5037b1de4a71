import { ProblemError } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Lineage, LineageDirection } from '../../queries/lineage.query.js';
import { invalid, RequestFields } from './fields.js';

export interface LineageApi {
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
  readonly lineage: (node: string, direction: LineageDirection, depth: number) => Promise<Lineage | undefined>;
}

const DEFAULT_DEPTH = 10;
const DEEPEST = 50;

/** `GET /api/v1/lineage?node=&direction=&depth=`: dataset, training set and feature service -> run -> version -> deployment, both ways. */
export function lineageRoutes(scope: FastifyInstance, api: LineageApi): void {
  scope.get('/api/v1/lineage', async (request) => {
    const fields = new RequestFields(request.query, ['node', 'direction', 'depth', 'at-least']);
    const node = fields.requiredText('node');
    if (!/^(dataset|training-set|feature-service|run|version|deployment):./.test(node)) {
      throw invalid(
        'node',
        'is dataset:<name>@<digest>, training-set:<id>, feature-service:<name>@<n>, run:<id>, version:<model>/<number> or deployment:<name>',
      );
    }
    const direction = fields.text('direction') ?? 'both';
    if (direction !== 'upstream' && direction !== 'downstream' && direction !== 'both') {
      throw invalid('direction', 'is upstream, downstream or both');
    }
    const depth = fields.number('depth') ?? DEFAULT_DEPTH;
    if (depth > DEEPEST) throw invalid('depth', `is at most ${DEEPEST}`);
    await api.upToDate(request);
    const found = await api.lineage(node, direction, depth);
    if (!found) throw new ProblemError(404, 'MR_REGISTRY_LINEAGE_NODE_NOT_FOUND', `nothing is known of ${node}`);
    return { direction, depth, ...found };
  });
}
