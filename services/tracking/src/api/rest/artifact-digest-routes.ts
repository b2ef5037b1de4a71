import type { ArtifactStore } from '@millrace/artifact-store';
import { proxiedArtifactPath } from '@millrace/mlflow-protocol';
import { compareFiles, fileDigests, filesOf } from '@millrace/model-signing';
import { jsonOf, ProblemError, type RecordedFile } from '@millrace/service';
import type { FastifyInstance } from 'fastify';
import type { TrackingView } from '../../queries/tracking-view.js';
import { FILES_ANSWER, NO_RUN } from './answers.js';
import { doc } from './doc.js';

export interface ArtifactDigestContext {
  readonly view: TrackingView;
  readonly artifacts: ArtifactStore;
  readonly recorded: (root: string) => Promise<readonly RecordedFile[]>;
}

/** `GET /api/v1/runs/{id}/artifacts`: a run's files with the digests they had when uploaded; `?verify=true` reads them and says which are others now. */
export function artifactDigestRoutes(scope: FastifyInstance, context: ArtifactDigestContext): void {
  const listing = doc('Lists a run’s files with the digests they had when uploaded.', {
    query: { verify: { type: 'boolean', description: '`true` reads them and says which are others now.' } },
    answer: jsonOf(FILES_ANSWER),
    errors: { ...NO_RUN, 409: 'Its artifacts are outside this server’s store.' },
  });
  scope.get('/api/v1/runs/:runId/artifacts', listing, async (request) => {
    const { runId } = request.params as { runId: string };
    const { verify = 'false' } = request.query as { verify?: string };
    if (verify !== 'true' && verify !== 'false') {
      throw new ProblemError(400, 'MR_TRACKING_REQUEST_INVALID', 'verify is true or false', { field: 'verify' });
    }
    const root = await rootOf(context, runId);
    const recorded = await context.recorded(root);
    const here = await filesOf(context.artifacts, root);
    const byName = new Map(recorded.map((file) => [file.path.slice(root.length + 1), file]));
    const states = verify === 'true' ? await statesOf(context, root, byName) : undefined;
    const names = [...new Set([...here.map(({ name }) => name), ...(states ? byName.keys() : [])])].sort();
    const sizes = new Map(here.map(({ name, info }) => [name, info.size]));
    const files = names.map((name) => {
      const known = byName.get(name);
      return {
        path: name,
        size: sizes.get(name) ?? null,
        sha256: known?.sha256 ?? null,
        uploadedAt: known ? new Date(known.uploadedAt).toISOString() : null,
        ...(states ? { state: states.get(name) ?? 'unrecorded' } : {}),
      };
    });
    return { runId, files, ...(states ? { intact: files.every(({ state }) => state === 'intact' || state === 'unrecorded') } : {}) };
  });
}

type FileState = 'intact' | 'changed' | 'missing' | 'unrecorded';

async function statesOf(
  { artifacts }: ArtifactDigestContext,
  root: string,
  recorded: ReadonlyMap<string, RecordedFile>,
): Promise<Map<string, FileState>> {
  const known = [...recorded].flatMap(([name, { sha256 }]) => (sha256 === null ? [] : [{ name, sha256 }]));
  const states = new Map<string, FileState>(known.map(({ name }) => [name, 'intact']));
  for (const { file, kind } of compareFiles(known, await fileDigests(artifacts, root))) {
    states.set(file, kind === 'added' ? 'unrecorded' : kind);
  }
  return states;
}

async function rootOf({ view }: ArtifactDigestContext, runId: string): Promise<string> {
  await view.upToDate();
  const run = /^[0-9a-f]{32}$/.test(runId) ? view.run(runId) : undefined;
  if (!run) throw new ProblemError(404, 'MR_TRACKING_RUN_NOT_FOUND', `there is no run ${runId}`);
  const root = proxiedArtifactPath(run.artifactUri);
  if (root === undefined || root === '') {
    const message = `the artifacts of run ${runId} are at ${run.artifactUri}, outside this server's artifact store; nothing is recorded of them`;
    throw new ProblemError(409, 'MR_TRACKING_ARTIFACTS_ELSEWHERE', message);
  }
  return root;
}
