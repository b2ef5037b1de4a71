import { proxiedArtifactPath } from '@millrace/mlflow-protocol';
import type { ModelVersion } from '../domain/model/model.decider.js';
import { isLoggedModelId, type RunFacts } from './run-artifacts.js';
import type { LoggedModelArtifacts } from './source-resolver.js';

export interface Makers {
  readonly run: (runId: string) => Promise<RunFacts | undefined>;
  readonly loggedModel: (modelId: string) => Promise<LoggedModelArtifacts | undefined>;
}

/** A folder of files in the artifact store: `1/<run id>/artifacts`, `1/models/<logged model>/artifacts`. */
const OWNER = /(?:^|\/)([\w-]{1,256})\/artifacts(?:\/|$)/;

/**
 * The run that made a version's files, by where they lie; `undefined` where that does not tell. A client may name any run with a version,
 * as with MLflow, so what is measured of the run it names says nothing about files that another made.
 */
export async function madeBy({ modelId, artifactPath }: Pick<ModelVersion, 'modelId' | 'artifactPath'>, makers: Makers) {
  if (modelId !== undefined) return (await makers.loggedModel(modelId))?.sourceRunId ?? undefined;
  const owner = artifactPath === null ? undefined : OWNER.exec(artifactPath)?.[1];
  if (artifactPath === null || owner === undefined) return undefined;
  const loggedModel = isLoggedModelId(owner) ? await makers.loggedModel(owner) : undefined;
  if (loggedModel) return loggedModel.sourceRunId ?? undefined;
  const run = await makers.run(owner);
  const root = run && proxiedArtifactPath(run.artifactUri);
  return root !== undefined && `${artifactPath}/`.startsWith(`${root}/`) ? owner : undefined;
}
