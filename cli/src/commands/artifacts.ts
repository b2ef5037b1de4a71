import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import type { Io } from '../io.js';
import { Progress, sizeText } from '../output/progress.js';

interface Transfer {
  readonly local: string;
  /** Below the run's artifacts, with slashes. */
  readonly remote: string;
  readonly bytes: number;
}

/** Sends a file, or a folder with all in it, to a run's artifacts. */
export async function upload(client: MillraceClient, io: Io, runId: string, local: string, below: string | undefined): Promise<void> {
  const root = await artifactRoot(client, runId);
  const files = await localFiles(local, below);
  const progress = new Progress(io, sum(files));
  try {
    for (const file of files) {
      const body = createReadStream(file.local);
      body.on('data', (chunk) => progress.add(file.remote, chunk.length));
      await client.transfer('PUT', `${root}/${encoded(file.remote)}`, body);
    }
  } finally {
    progress.end();
  }
  io.out(`${said(files)} uploaded to run ${runId}\n`);
}

/** Fetches a file or folder of a run's artifacts, all of them unless a path is named. A file appears under its name when it is whole. */
export async function download(client: MillraceClient, io: Io, runId: string, path: string, target: string): Promise<void> {
  const root = await artifactRoot(client, runId);
  const files = await remoteFiles(client, runId, path.replace(/^\/+|\/+$/g, ''), target);
  const progress = new Progress(io, sum(files));
  try {
    for (const file of files) {
      await mkdir(dirname(file.local), { recursive: true });
      const part = `${file.local}.part`;
      const response = await client.transfer('GET', `${root}/${encoded(file.remote)}`);
      try {
        if (response.body) {
          const source = Readable.fromWeb(response.body);
          source.on('data', (chunk: Uint8Array) => progress.add(file.remote, chunk.length));
          await pipeline(source, createWriteStream(part));
        }
        const { size } = await stat(part);
        if (size !== file.bytes) throw new CliError(`${file.remote}: ${size} of ${file.bytes} bytes came; try again`, EXIT.unreachable);
        await rename(part, file.local);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    }
  } finally {
    progress.end();
  }
  io.out(`${said(files)} of run ${runId} downloaded to ${target}\n`);
}

/** The path of a run's artifacts at the server that keeps them. */
async function artifactRoot(client: MillraceClient, runId: string): Promise<string> {
  const answer = await client.json<{ run: { info: { artifact_uri: string } } }>(
    'GET',
    `/api/2.0/mlflow/runs/get?run_id=${encodeURIComponent(runId)}`,
  );
  const uri = answer.run.info.artifact_uri;
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.*)$/.exec(uri);
  if (!match)
    throw new CliError(`the artifacts of run ${runId} are at ${uri}, outside this server; use what that store offers`, EXIT.refused);
  return `/api/2.0/mlflow-artifacts/artifacts/${encoded(match[1] as string)}`;
}

async function localFiles(local: string, below: string | undefined): Promise<Transfer[]> {
  const found = await stat(local).catch(() => undefined);
  if (!found) throw new CliError(`${local}: there is no such file or folder`, EXIT.usage);
  const remote = (path: string) => [...(below === undefined ? [] : [below.replace(/^\/+|\/+$/g, '')]), path].join('/');
  if (found.isFile()) return [{ local, remote: remote(basename(local)), bytes: found.size }];
  const files: Transfer[] = [];
  for (const entry of await readdir(local, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const info = await stat(path);
    if (info.isFile()) files.push({ local: path, remote: remote(relative(local, path).split(sep).join('/')), bytes: info.size });
  }
  if (files.length === 0) throw new CliError(`${local}: the folder holds no file`, EXIT.usage);
  return files.sort((a, b) => (a.remote < b.remote ? -1 : 1));
}

interface Listed {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number | string;
}

async function remoteFiles(client: MillraceClient, runId: string, path: string, target: string): Promise<Transfer[]> {
  const list = async (folder: string): Promise<readonly Listed[]> => {
    const query = new URLSearchParams({ run_id: runId, ...(folder === '' ? {} : { path: folder }) });
    return (await client.json<{ files?: readonly Listed[] }>('GET', `/api/2.0/mlflow/artifacts/list?${query.toString()}`)).files ?? [];
  };
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
  const named = path === '' ? undefined : (await list(parent)).find((one) => one.path === path);
  if (path !== '' && !named) throw new CliError(`run ${runId} has no artifact ${path}`, EXIT.refused);
  const base = path === '' ? 0 : parent === '' ? 0 : parent.length + 1;
  const files: Transfer[] = [];
  const walk = async (entry: Listed): Promise<void> => {
    if (entry.is_dir) {
      for (const child of await list(entry.path)) await walk(child);
      return;
    }
    const inside = entry.path.slice(base);
    // What a server says is a name must not lead out of the folder it was given.
    if (inside.split('/').some((segment) => segment === '..' || segment === '') || inside.includes('\\')) {
      throw new CliError(`the artifact ${entry.path} has a name that leads elsewhere; it is not downloaded`, EXIT.refused);
    }
    files.push({ local: join(target, ...inside.split('/')), remote: entry.path, bytes: Number(entry.file_size ?? 0) });
  };
  for (const entry of named ? [named] : await list('')) await walk(entry);
  if (files.length === 0) throw new CliError(`run ${runId} has no artifacts${path === '' ? '' : ` below ${path}`}`, EXIT.refused);
  return files;
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function sum(files: readonly Transfer[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}

function said(files: readonly Transfer[]): string {
  return `${files.length} file${files.length === 1 ? '' : 's'} (${sizeText(sum(files))})`;
}
