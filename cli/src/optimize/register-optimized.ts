import { percent, type Measurement } from '@millrace/onnx';
import type { MillraceClient } from '../client.js';
import { quoted, type VersionReference } from './model-reference.js';

/** Tag of a version that was made of another: `models:/delay/3`. The lineage is read from it. */
const DERIVED_FROM_TAG = 'millrace.derived_from';
/** Tag with how it was made and what was measured, as JSON. */
const OPTIMIZATION_TAG = 'millrace.optimization';
const CHECK = 'optimization';

export interface OptimizedVersion {
  readonly parent: VersionReference;
  readonly source: string;
  /** The run that made it, of one that was made elsewhere. */
  readonly runId: string | undefined;
  readonly method: string;
  readonly changes: readonly string[];
  readonly measured: Measurement;
  readonly rowsFrom: string;
}

/**
 * Registers a version derived from its parent and records what was measured as a check of it. The same files again are the version that is there: nothing is
 * made twice. What was measured of it stands, unless that was on made-up rows and this is not.
 */
export async function registerOptimized(client: MillraceClient, version: OptimizedVersion): Promise<{ version: number; isNew: boolean }> {
  const { parent, source, runId, method, changes, measured, rowsFrom } = version;
  const mlflow = <T>(path: string, body: object): Promise<T> => client.json<T>('POST', `/api/2.0/mlflow/${path}`, json(body));
  const before = await versionOf(client, parent.name, source);
  const evidence = evidenceOf(measured, rowsFrom);
  const description = `${method} of version ${parent.version}: ${summary(measured)}`;
  const tags = [
    { key: DERIVED_FROM_TAG, value: `models:/${encodeURIComponent(parent.name)}/${parent.version}` },
    { key: OPTIMIZATION_TAG, value: JSON.stringify({ method, changes, ...evidence }) },
  ];
  const number =
    before?.version ??
    Number(
      (
        await mlflow<{ model_version: { version: string } }>('model-versions/create', {
          ...{ name: parent.name, source, description, tags },
          ...(runId === undefined ? {} : { run_id: runId }),
        })
      ).model_version.version,
    );
  const checks = `/api/v1/models/${encodeURIComponent(parent.name)}/versions/${number}/checks`;
  const { checks: recorded } = await client.json<{ checks: readonly { check: string }[] }>('GET', checks);
  const isBetter = before !== undefined && isMadeUp(before.rowsFrom) && !isMadeUp(rowsFrom);
  if (isBetter) {
    const of = { name: parent.name, version: String(number) };
    await client.json('PATCH', '/api/2.0/mlflow/model-versions/update', json({ ...of, description }));
    for (const tag of tags) await mlflow('model-versions/set-tag', { ...of, ...tag });
  }
  // A command that broke off between the two is run again.
  if (isBetter || !recorded.some(({ check }) => check === CHECK)) {
    await client.json('POST', checks, json({ check: CHECK, passed: true, detail: description, evidence }));
  }
  return { version: number, isNew: before === undefined };
}

/** Where the rows of a measurement came from, as the command tells it. */
export const MADE_UP = 'made-up rows';

function isMadeUp(rowsFrom: string): boolean {
  return rowsFrom.endsWith(MADE_UP);
}

interface Version {
  readonly version: string;
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
}

async function versionOf(
  client: MillraceClient,
  name: string,
  source: string,
): Promise<{ readonly version: number; readonly rowsFrom: string } | undefined> {
  const query = new URLSearchParams({ filter: `name=${quoted(name)} and source_path='${source}'`, max_results: '1' });
  const found = await client.json<{ model_versions?: Version[] }>('GET', `/api/2.0/mlflow/model-versions/search?${query.toString()}`);
  const version = found.model_versions?.[0];
  return version && { version: Number(version.version), rowsFrom: rowsFromOf(version) };
}

/** Empty where the tag is not one that this command wrote. */
function rowsFromOf({ tags = [] }: Version): string {
  try {
    const { rowsFrom } = JSON.parse(tags.find(({ key }) => key === OPTIMIZATION_TAG)?.value ?? '{}') as { rowsFrom?: unknown };
    return typeof rowsFrom === 'string' ? rowsFrom : '';
  } catch {
    return '';
  }
}

/** The version that a version was made of; `undefined` of one that was not made by this command. */
export async function parentOf(client: MillraceClient, { name, version }: VersionReference): Promise<number | undefined> {
  const query = new URLSearchParams({ name, version: String(version) });
  const { model_version: found } = await client.json<{ model_version: Version }>(
    'GET',
    `/api/2.0/mlflow/model-versions/get?${query.toString()}`,
  );
  const parent = /\/(\d+)$/.exec(found.tags?.find(({ key }) => key === DERIVED_FROM_TAG)?.value ?? '')?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** What was measured, as flat numbers; an error without end is a text, because JSON has no word for it. */
function evidenceOf(measured: Measurement, rowsFrom: string): Record<string, string | number | null> {
  const number = (value: number): number | string => (Number.isFinite(value) ? Number(value.toPrecision(6)) : String(value));
  const { parent, child, rows, agreement, labelBy, maxError, meanError, relativeError, sizeRatio, latencyRatio, truth } = measured;
  return {
    rows,
    rowsFrom,
    bytes: child.bytes,
    parentBytes: parent.bytes,
    sizeRatio: number(sizeRatio),
    latencyMicros1: number(child.latencyMicros[1]),
    latencyMicros32: number(child.latencyMicros[32]),
    latencyRatio1: number(latencyRatio[1]),
    latencyRatio32: number(latencyRatio[32]),
    agreement: agreement === undefined ? null : number(agreement),
    labelBy: labelBy ?? null,
    maxError: number(maxError),
    meanError: number(meanError),
    relativeError: number(relativeError),
    labelledRows: truth?.rows ?? 0,
    ...(truth ? { truthBy: truth.what, truthParent: number(truth.parent), truthChild: number(truth.child) } : {}),
  };
}

function summary({ sizeRatio, latencyRatio, agreement, relativeError, rows }: Measurement): string {
  const same = agreement === undefined ? `error ${percent(relativeError)} of the deviation` : `${percent(agreement)} of the labels agree`;
  return `${sizeRatio.toFixed(2)} times the size, ${latencyRatio[32].toFixed(2)} times the time of 32 rows, ${same} on ${rows} rows`;
}

function json(value: object): { body: string; headers: Record<string, string> } {
  return { body: JSON.stringify(value), headers: { 'content-type': 'application/json' } };
}
