import { jsonValue, servedNames, Status, STATUS_NAMES, type FeatureColumn, type ServicePlan, type Value } from '@millrace/feature-engine';
import type { FeaturesRead, MissingStatus, ReadRow } from '../domain/read/features-read.js';
import type { OnlineFeatures } from '../queries/get-online-features.query.js';
import { redactRows } from './redact-rows.js';

/** Everything that is known of a read when it is answered. */
export interface AnsweredRead {
  /** Of the request. */
  readonly id: string;
  readonly featureService: string;
  readonly serviceVersion: number;
  /** Names that are left out. */
  readonly redact: readonly string[];
  readonly plan: ServicePlan;
  readonly answer: OnlineFeatures;
  /** The features are as of then. */
  readonly at: number;
  readonly isAgeless: boolean;
  /** When it was answered. */
  readonly time: number;
  readonly traceparent: string | undefined;
}

/** Values of one event at most, join keys aside: a read may ask for many rows, and a log takes no record of any size. */
const MOST_VALUES = 10_000;

/** The records of a read: one, or several of one after another of its rows. */
export function describeRead(read: AnsweredRead): FeaturesRead[] {
  const { plan, answer } = read;
  const names = servedNames(plan.features.map(({ view, name }) => ({ view: view.name, name })));
  const most = Math.max(1, Math.floor(MOST_VALUES / names.length));
  const common = {
    ...{ readId: read.id, featureService: read.featureService, serviceVersion: read.serviceVersion, featureTime: read.at },
    featurePositions: answer.vectors.positions,
    featureVersions: Object.fromEntries([...plan.views, ...plan.onDemand].map(({ name, version }) => [name, version])),
    ...{ isAgeless: read.isAgeless, traceparent: read.traceparent ?? null },
  };
  const records: FeaturesRead[] = [];
  for (let first = 0; first < answer.rows; first += most) {
    const rows: ReadRow[] = [];
    for (let row = first; row < Math.min(first + most, answer.rows); row++) rows.push(describeRow(plan, names, answer, row));
    records.push({ ...common, rows: redactRows(rows, read.redact) });
  }
  return records;
}

function describeRow({ request }: ServicePlan, names: readonly string[], answer: OnlineFeatures, row: number): ReadRow {
  const { columns } = answer.vectors;
  // What the service itself names goes to its model, and is no part of a read.
  const given = request.flatMap(({ name }, index) => {
    const values = answer.request[index];
    return values && values.length > 0 ? [[name, jsonValue(values[row] ?? null)] as const] : [];
  });
  let statuses: Record<string, MissingStatus> | null = null;
  const features: Record<string, unknown> = {};
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index] as FeatureColumn;
    const [name, status] = [names[index] as string, column.statuses[row] as Status];
    features[name] = jsonValue(column.values[row] ?? null);
    if (status !== Status.PRESENT && status !== Status.NULL_VALUE) (statuses ??= {})[name] = STATUS_NAMES[status];
  }
  return {
    row,
    entity: Object.fromEntries(answer.joinKeys.map(({ name, values }) => [name, keyOf(values[row])])),
    request: given.length === 0 ? null : Object.fromEntries(given),
    ...{ features, statuses },
  };
}

/** No key is null, nor a number that JSON does not tell. */
function keyOf(value: Value | undefined): string | number {
  return jsonValue(value) ?? '';
}
