import { invalid, type Fields } from '@millrace/mlflow-protocol';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TrackedArtifacts } from '../../commands/source-resolver.js';

/**
 * Where a new version's model is. What the server could be made to read files by is refused: a local path is taken only below the artifacts of
 * the run it came from, and that run has to be named.
 */
export async function versionSourceOf(fields: Fields, runId: string | null, runArtifactUri: TrackedArtifacts['ofRun']): Promise<string> {
  const source = fields.requiredString('source');
  const local = localPathOf(source);
  if (local !== undefined) {
    const root = runId === null ? undefined : localPathOf((await runArtifactUri(runId)) ?? 'none:');
    if (root !== undefined && isBelow(posix.normalize(local), posix.normalize(root))) return source;
    throw invalid(
      `Invalid model version source: '${source}'. To use a local path as a model version source, the run_id request parameter has to be ` +
        'specified and the local path has to be contained within the artifact directory of the run specified by the run_id.',
    );
  }
  const decoded = decodedWhole(source);
  if (/(^|[/\\])\.\.([/\\]|$)/.test(decoded) || /[\u0000-\u001f\u007f]/.test(decoded)) {
    throw invalid(
      `Invalid model version source: '${source}'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts ` +
        "uri, its path has to be absolute: it can hold neither '..' nor control characters.",
    );
  }
  return source;
}

/** The path that a plain path or a `file:` URI names; `undefined` for what lies elsewhere. */
function localPathOf(source: string): string | undefined {
  if (/^file:/i.test(source)) {
    const host = /^file:\/\/([^/]+)/i.exec(source)?.[1];
    if (host !== undefined && host.toLowerCase() !== 'localhost') {
      throw invalid(
        `Invalid model version source: '${source}'. MLflow tracking server doesn't allow a file URI that names another host, ${host}.`,
      );
    }
    try {
      return fileURLToPath(source);
    } catch {
      return source.replace(/^file:/i, '');
    }
  }
  return /^[a-z][a-z0-9+.-]*:/i.test(source) ? undefined : source;
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}

/** Decoded until nothing changes: `%252e` hides two dots as well as `%2e` does. */
function decodedWhole(text: string): string {
  for (let round = 0, last = text; round < 10; round++) {
    let next: string;
    try {
      next = decodeURIComponent(last);
    } catch {
      return last;
    }
    if (next === last) return last;
    last = next;
  }
  return '..';
}
