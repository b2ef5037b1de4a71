import type { ArtifactStore } from '@millrace/artifact-store';
import type { OfflineStore } from '@millrace/offline-store';
import type { BatchJob } from '../domain/batch-job/batch-job.decider.js';
import { batchJobPath } from './assemble-output.js';

export interface JobFilesHost {
  readonly artifacts: ArtifactStore;
  readonly store: OfflineStore;
}

/** Where the chunks of an attempt lie. */
export function chunkDirectory(id: string, attempt: number): string {
  return `${chunksPath(id)}/${attempt}`;
}

function chunksPath(id: string): string {
  return `${batchJobPath(id)}/chunks`;
}

/** Removes the output of a job that was decided to have none any more. Done again it does nothing. */
export async function removeOutput({ artifacts, store }: JobFilesHost, { deletedAt, result }: BatchJob): Promise<void> {
  if (deletedAt === undefined || !result) return;
  await artifacts.remove(result.path);
  if (result.table !== null) await store.command(`DROP TABLE IF EXISTS ${result.table}`);
}

/** Removes what a process that died left of a job: chunks of attempts that are over, and an output that was deleted. True if there was any. */
export async function removeLeftovers(host: JobFilesHost, id: string, job: BatchJob): Promise<boolean> {
  const { artifacts } = host;
  const directories = await artifacts.list(chunksPath(id));
  const over = directories.filter(({ path }) => {
    const attempt = Number(path.slice(path.lastIndexOf('/') + 1));
    return attempt < job.attempt || (attempt === job.attempt && job.status !== 'running');
  });
  for (const { path } of over) await artifacts.remove(path);
  await removeOutput(host, job);
  return over.length > 0;
}
