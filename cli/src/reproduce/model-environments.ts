import { EXIT, isCliError } from '../cli-error.js';
import type { MillraceClient } from '../client.js';
import { isEnvironmentFile } from './environment.js';

/** Models of one run mostly say the same; so many are asked. */
const MOST_MODELS = 10;

/**
 * What the logged models that a run made say of its environment, under paths of their own beside the run's files: a client of MLflow 3 keeps a
 * model's files with the model, not with the run. A model that is gone, or whose files lie elsewhere, says nothing.
 */
export async function environmentsOfModels(client: MillraceClient, modelIds: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const modelId of modelIds.slice(0, MOST_MODELS)) {
    const id = encodeURIComponent(modelId);
    try {
      const { files = [] } = await client.json<{ files?: readonly { path: string; is_dir: boolean }[] }>(
        'GET',
        `/api/2.0/mlflow/logged-models/${id}/artifacts/directories`,
      );
      for (const { path } of files.filter((file) => !file.is_dir && isEnvironmentFile(file.path))) {
        const query = new URLSearchParams({ artifact_file_path: path }).toString();
        const response = await client.call('GET', `/ajax-api/2.0/mlflow/logged-models/${id}/artifacts/files?${query}`);
        texts.set(`models/${modelId}/${path}`, await response.text());
      }
    } catch (error) {
      if (!isCliError(error) || error.exitCode !== EXIT.refused) throw error;
    }
  }
  return texts;
}
