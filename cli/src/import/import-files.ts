import type { ImportReport } from './import-report.js';
import { digestOf, isRefusal, type MlflowServer } from './mlflow-server.js';
import type { FileInfo } from './mlflow-types.js';

export interface FilesToBring {
  readonly to: MlflowServer;
  readonly report: ImportReport;
  /** What the files belong to, for the report. */
  readonly where: string;
  readonly files: AsyncIterable<FileInfo>;
  readonly read: (path: string) => Promise<Response>;
  /** Folder of Millrace's artifact store. */
  readonly folder: string;
}

/**
 * Copies files and compares the SHA-256 of what was read there with that of what is read back here. A file that is here already is read on
 * both sides and left alone when it is the same.
 */
export async function bringFiles({ to, report, where, files, read, folder }: FilesToBring): Promise<void> {
  let here: Map<string, number> | undefined;
  for await (const { path, file_size: size } of files) {
    const bytes = Number(size ?? 0);
    here ??= await sizesIn(to, folder);
    try {
      const isSame =
        here.get(path) === bytes && (await digestOf(await read(path))) === (await digestOf(await to.readStored(`${folder}/${path}`)));
      if (!isSame) {
        const digest = await to.store(`${folder}/${path}`, () => read(path));
        const stored = await digestOf(await to.readStored(`${folder}/${path}`));
        if (stored !== digest) report.problem(where, `file ${path} has digest ${digest} there and ${stored} here`);
      }
      report.count('files', 1, isSame ? 0 : 1);
      report.count('bytes', bytes, isSame ? 0 : bytes);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      report.count('files', 1, 0);
      report.problem(where, `file ${path}: ${error.message}`);
    }
  }
}

async function sizesIn(server: MlflowServer, folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { path, file_size: size } of server.storedFiles(folder)) sizes.set(path, Number(size ?? 0));
  return sizes;
}

/** The path of `mlflow-artifacts:` URIs below the store's root; `undefined` for any other. */
export function proxiedPath(uri: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/*(.*)$/.exec(uri);
  return match?.[1]?.replace(/\/+$/, '');
}
