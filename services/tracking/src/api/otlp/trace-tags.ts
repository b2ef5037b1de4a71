import { checkEntityName, cutTo, pythonJson } from '@millrace/mlflow-protocol';
import { LIMITS } from '../mlflow/limits.js';
import { plainOf, textOf, type ExportedSpan, type OtlpValue } from './otlp-span.js';

/** Attributes of a root span that MLflow's exporter puts the tags of its trace into. */
const TAG = 'mlflow.traceTag.';
/** Of a resource: what no client may say by it, and what speaks of the exporter alone. */
const NOT_TAGS = ['telemetry.sdk.', 'mlflow.'];

/**
 * The tags that spans give their trace, as MLflow's server takes them: the attributes of the first resource that has any, and over those what the
 * root names as tags. Values are cut; what could be no tag is passed over.
 */
export function tagsOfSpans(exported: readonly ExportedSpan[]): Record<string, string> {
  const tags = new Map<string, string>();
  const resource = exported.find((one) => one.resource.length > 0)?.resource ?? [];
  for (const { key, value } of resource) {
    if (!NOT_TAGS.some((prefix) => key.startsWith(prefix))) keep(tags, key, resourceText(value));
  }
  const root = exported.find(({ span }) => span.parentSpanId === undefined);
  for (const { key, value } of root?.span.attributes ?? []) {
    if (key.startsWith(TAG)) keep(tags, key.slice(TAG.length), unquoted(textOf(value)));
  }
  return Object.fromEntries(tags);
}

function keep(tags: Map<string, string>, key: string, value: string | undefined): void {
  if (value === undefined || key === '__proto__' || !isTagName(key)) return;
  tags.set(key, cutTo(LIMITS.tagValueLength, value));
}

function isTagName(key: string): boolean {
  try {
    checkEntityName('tag', key);
    return key !== '' && [...key].length <= LIMITS.keyLength;
  } catch {
    return false;
  }
}

/** A text as it is, other values as JSON in Python's spelling, where a double is never written as a whole number. */
function resourceText(value: OtlpValue | undefined): string {
  if (typeof value?.doubleValue === 'number' && Number.isInteger(value.doubleValue)) return value.doubleValue.toFixed(1);
  const plain = plainOf(value);
  return typeof plain === 'string' ? plain : pythonJson(plain);
}

/** MLflow's clients write what an attribute holds as JSON. */
function unquoted(text: string | undefined): string | undefined {
  if (text?.startsWith('"') !== true) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}
