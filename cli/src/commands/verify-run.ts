import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';

interface RunFiles {
  readonly runId: string;
  readonly intact: boolean;
  readonly files: readonly {
    readonly path: string;
    readonly size: number | null;
    readonly sha256: string | null;
    readonly uploadedAt: string | null;
    readonly state: string;
  }[];
}

/** The server reads every file of a run; large ones take their time. */
const EXTRA_MS = 10 * 60_000;

/** Has the files of a run held to their digests at the upload. False when one is another, or gone. */
export async function verifyRun(client: MillraceClient, io: Io, runId: string, output: string): Promise<boolean> {
  const path = `/api/v1/runs/${encodeURIComponent(runId)}/artifacts?verify=true`;
  const found = await client.json<RunFiles>('GET', path, { extraTimeMs: EXTRA_MS });
  if (output === 'json') io.out(`${JSON.stringify(found, null, 2)}\n`);
  else if (found.files.length === 0) io.err('the run has no files\n');
  else {
    const rows = found.files.map((file) => [file.state, file.path, String(file.size ?? '-'), file.sha256 ?? '-', file.uploadedAt ?? '-']);
    io.out(table(['STATE', 'FILE', 'BYTES', 'SHA-256 AT UPLOAD', 'UPLOADED'], rows));
  }
  return found.intact;
}
