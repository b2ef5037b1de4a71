import { Fault } from '@millrace/kernel';

const LONGEST_PATH = 1024;

const FORBIDDEN = /[\\\u0000-\u001f\u007f]/;

/**
 * The segments of an artifact path, or an `MR_ARTIFACT_PATH` fault. Refused: absolute paths, empty segments, `.` and `..`,
 * backslashes, control characters, more than 1024 bytes. The empty path names the store's root and has no segments.
 */
export function artifactSegments(path: string): readonly string[] {
  if (path === '') return [];
  if (Buffer.byteLength(path) > LONGEST_PATH) throw refusedPath(path.slice(0, 80), `it is longer than ${LONGEST_PATH} bytes`);
  if (FORBIDDEN.test(path)) throw refusedPath(path, 'backslashes and control characters are not allowed');
  const segments = path.split('/');
  for (const segment of segments) {
    if (segment === '') throw refusedPath(path, 'it must be relative, with single slashes between its names');
    if (segment === '.' || segment === '..') throw refusedPath(path, 'it must not contain . or ..');
  }
  return segments;
}

/** {@link artifactSegments} of a file's path, which cannot be the root. */
export function fileSegments(path: string): readonly string[] {
  const segments = artifactSegments(path);
  if (segments.length === 0) throw refusedPath(path, 'a file needs a name');
  return segments;
}

/** Joins paths below a store's root; empty parts vanish. */
export function joinArtifactPath(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('/');
}

export function artifactNotFound(path: string): Fault {
  return new Fault('MR_ARTIFACT_NOT_FOUND', `there is no artifact at ${JSON.stringify(path)}`, false, { details: { path } });
}

/** The `MR_ARTIFACT_PATH` fault of a path that may not be used, with the reason. */
export function refusedPath(path: string, why: string): Fault {
  return new Fault('MR_ARTIFACT_PATH', `the artifact path ${JSON.stringify(path)} is refused: ${why}`, false, { details: { path } });
}
