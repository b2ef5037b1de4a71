import { ProblemError } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LINEAGE_KINDS, type Lineage, type LineageDirection } from '../../queries/lineage.query.js';
import { invalid, RequestFields } from './fields.js';

export interface LineageApi {
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
  readonly lineage: (node: string, direction: LineageDirection, depth: number) => Promise<Lineage | undefined>;
}

const DEFAULT_DEPTH = 10;
const DEEPEST = 50;

/**
 * `GET /api/v1/lineage?node=&direction=&depth=`: source -> feature view -> feature service -> training set -> run -> model version -> deployment, both ways; a deployment also
 * rests on the feature service it serves from, a run on its datasets, a training set on the source or deployment its rows are of.
 */
export function lineageRoutes(scope: FastifyInstance, api: LineageApi): void {
  scope.get('/api/v1/lineage', async (request) => {
    const fields = new RequestFields(request.query, ['node', 'direction', 'depth', 'at-least']);
    const node = fields.requiredText('node');
    if (!LINEAGE_KINDS.some((kind) => node.startsWith(`${kind}:`) && node.length > kind.length + 1)) {
      throw invalid(
        'node',
        'is source:<name>, feature-view:<name>, feature-view:<name>@<n>, feature-service:<name>, feature-service:<name>@<n>, dataset:<name>@<digest>, training-set:<id>, run:<id>, version:<model>/<number> or deployment:<name>',
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
