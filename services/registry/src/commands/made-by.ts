import { artifactOwners, proxiedArtifactPath } from '@millrace/mlflow-protocol';
import type { ModelVersion } from '../domain/model/model.decider.js';
import { isLoggedModelId, type RunFacts } from './run-artifacts.js';
import type { LoggedModelArtifacts } from './source-resolver.js';

export interface Makers {
  readonly run: (runId: string) => Promise<RunFacts | undefined>;
  readonly loggedModel: (modelId: string) => Promise<LoggedModelArtifacts | undefined>;
}

/**
 * The run that made a version's files, by where they lie; `undefined` where that does not tell. A client may name any run with a version,
 * as with MLflow, so what is measured of the run it names says nothing about files that another made.
 */
export async function madeBy({ modelId, artifactPath }: Pick<ModelVersion, 'modelId' | 'artifactPath'>, makers: Makers) {
  if (modelId !== undefined) return (await makers.loggedModel(modelId))?.sourceRunId ?? undefined;
  if (artifactPath === null) return undefined;
  for (const owner of artifactOwners(artifactPath)) {
    const loggedModel = isLoggedModelId(owner) ? await makers.loggedModel(owner) : undefined;
    const { artifactUri } = loggedModel ?? (await makers.run(owner)) ?? {};
    const root = artifactUri === undefined ? undefined : proxiedArtifactPath(artifactUri);
    // Anybody may upload to a folder that only looks like another's.
    if (root !== undefined && `${artifactPath}/`.startsWith(`${root}/`))
      return loggedModel ? (loggedModel.sourceRunId ?? undefined) : owner;
  }
  return undefined;
}
