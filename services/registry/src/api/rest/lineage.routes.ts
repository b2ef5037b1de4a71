import { AT_LEAST, jsonOf, ProblemError, type QueryDoc } from '@millrace/service';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LINEAGE_KINDS, type Lineage, type LineageDirection } from '../../queries/lineage.query.js';
import { LINEAGE_ANSWER } from './answers.js';
import { doc } from './doc.js';
import { invalid, RequestFields } from './fields.js';

export interface LineageApi {
  readonly upToDate: (request: FastifyRequest) => Promise<void>;
  readonly lineage: (node: string, direction: LineageDirection, depth: number) => Promise<Lineage | undefined>;
}

const DEFAULT_DEPTH = 10;
const DEEPEST = 50;
const QUERY: QueryDoc = {
  node: { description: 'Where to begin, `<kind>:<name>`, as `version:delay/3`.', required: true },
  direction: { description: '`both` unless given.', enum: ['upstream', 'downstream', 'both'] },
  depth: { type: 'integer', description: `How many steps: ${DEFAULT_DEPTH} unless given, ${DEEPEST} at most.` },
  ...AT_LEAST,
};

/**
 * `GET /api/v1/lineage?node=&direction=&depth=`: source -> feature view -> feature service -> training set -> run -> model version -> deployment, both ways; a deployment also
 * rests on the feature service it serves from, a run on its datasets, a training set on the source or deployment its rows are of.
 */
export function lineageRoutes(scope: FastifyInstance, api: LineageApi): void {
  const following = doc('What something rests on, and what rests on it.', {
    query: QUERY,
    answer: jsonOf(LINEAGE_ANSWER),
    errors: { 404: 'Nothing is known of the node.' },
  });
  scope.get('/api/v1/lineage', following, async (request) => {
    const fields = new RequestFields(request.query, Object.keys(QUERY));
    const node = fields.text('node')?.trim() ?? '';
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
