import { decodedSafely } from '@millrace/mlflow-protocol';
import type { RegistryView, VersionView } from '../../queries/registry-view.js';

/** A copy of a copy of a copy …; a longer chain is given up, and its last source is told. */
const LONGEST_CHAIN = 100;

/**
 * Where a version's files are to be read. A version copied from another (`models:/name/3`) has that one's files; an alias says today something
 * else than on the day of the copy, so there the files found at registration count.
 */
export function downloadUriOf(view: RegistryView, { version }: VersionView): string {
  let { source, artifactPath } = version;
  for (let links = 0; links < LONGEST_CHAIN; links++) {
    const copied = /^models:\/+([^/]+)\/(\d{1,15})$/i.exec(source);
    const original = copied && view.version(decodedSafely(copied[1] as string), Number(copied[2]));
    if (!original) break;
    ({ source, artifactPath } = original.version);
  }
  return /^models:/i.test(source) && artifactPath !== null ? `mlflow-artifacts:/${artifactPath}` : source;
}
