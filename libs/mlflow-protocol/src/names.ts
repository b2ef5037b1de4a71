import { posix } from 'node:path';
import { invalid } from './mlflow-error.js';

const ENTITY_NAME = /^[/\p{L}\p{N}_.\- :]*$/u;
const BAD_CHARACTERS =
  'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colons (:), and slashes (/).';

/** The name that was found right last: most points of a batch are of the metric of the point before. */
let lastGood: string | undefined;

/** Checks the key of a metric, parameter or tag: MLflow lets stores keep them as files, so they must be plain paths. */
export function checkEntityName(kind: 'metric' | 'parameter' | 'tag', name: string): void {
  if (name === lastGood) return;
  if (!ENTITY_NAME.test(name)) throw invalid(`Invalid ${kind} name: '${name}'. ${BAD_CHARACTERS}`);
  const norm = posix.normalize(name);
  if (norm !== name || norm === '.' || norm.startsWith('..') || norm.startsWith('/') || (norm.length > 1 && norm.endsWith('/'))) {
    throw invalid(
      `Invalid ${kind} name: '${name}'. Names may be treated as files in certain cases, and must not resolve to other names when treated ` +
        `as such. This name would resolve to '${norm}'`,
    );
  }
  lastGood = name;
}

/** A text cut to so many characters. */
export function cutTo(limit: number, value: string): string {
  return value.length <= limit ? value : [...value].slice(0, limit).join('');
}

/** Checks a text's length in characters. `what` begins the message: `Param value`. */
export function checkLength(what: string, limit: number, value: string): void {
  // UTF-16 units are never fewer than characters, so most texts need no counting.
  if (value.length <= limit) return;
  const length = [...value].length;
  if (length > limit) {
    throw invalid(`${what} '${value.slice(0, 250)}' had length ${length}, which exceeded length limit of ${limit}`);
  }
}
