import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import { storedJson, type BinaryRows, type RowBinary } from '@millrace/offline-store';
import { predictedNumber, type PredictedRow, type PredictionMade } from '../domain/prediction/prediction.js';

export const decodePrediction = factDecoder(factReader<PredictionMade>('inference', 'PredictionMade'));

type Prediction = LoggedFact<PredictionMade>;
type Write<T> = (value: T, out: RowBinary) => void;

const LARGEST_UINT32 = 0xffff_ffff;

/** What all rows of a record have. */
const RECORD: Readonly<Record<string, Write<Prediction>>> = {
  prediction_id: ({ data }, out) => out.text(data.predictionId),
  request_id: ({ data }, out) => textOrNull(data.requestId, out),
  time: ({ event }, out) => out.int64(Math.round(event.time)),
  deployment: ({ data }, out) => out.text(data.deployment ?? ''),
  model: ({ data }, out) => out.text(data.model),
  version: ({ data }, out) => uint32(data.version, out),
  experiment: ({ data }, out) => out.text(data.experiment ?? ''),
  rollout: ({ data }, out) => out.text(data.rollout ?? ''),
  variant: ({ data }, out) => out.text(data.variant ?? ''),
  feature_service: ({ data }, out) => out.text(data.featureService ?? ''),
  feature_time: ({ data }, out) => timeOrNull(data.featureTime, out),
  feature_positions: ({ data }, out) => json(data.featurePositions, out),
  feature_versions: ({ data }, out) => json(data.featureVersions, out),
  batch_rows: ({ data: { batchRows } }, out) => {
    if (!isNull(batchRows, out)) uint32(batchRows, out);
  },
  latency_us: ({ data }, out) => uint32(data.latencyMicros, out),
  error_code: ({ data }, out) => out.text(data.error?.code ?? ''),
  error_message: ({ data }, out) => out.text(data.error?.message ?? ''),
  traceparent: ({ data }, out) => textOrNull(data.traceparent, out),
  source: ({ data }, out) => out.text(data.edge ? 'edge' : 'gateway'),
  edge_device: ({ data }, out) => out.text(data.edge?.device ?? ''),
  edge_session: ({ data }, out) => out.text(data.edge?.session ?? ''),
  edge_predicted_at: ({ data }, out) => timeOrNull(data.edge?.predictedAt ?? null, out),
  edge_sent_at: ({ data }, out) => timeOrNull(data.edge?.sentAt ?? null, out),
  edge_graph: ({ data }, out) => out.text(data.edge?.graph ?? ''),
};

const ROW: Readonly<Record<string, Write<PredictedRow>>> = {
  row: ({ row }, out) => uint32(row, out),
  unit: ({ unit }, out) => textOrNull(unit, out),
  entity: ({ entity }, out) => json(entity, out),
  request: ({ request }, out) => json(request, out),
  features: ({ features }, out) => json(features, out),
  statuses: ({ statuses }, out) => json(statuses, out),
  inputs: ({ inputs }, out) => json(inputs, out),
  outputs: ({ outputs }, out) => json(outputs, out),
  prediction: ({ outputs }, out) => {
    const number = predictedNumber(outputs);
    if (!isNull(number, out)) out.float64(number);
  },
};

const writeRecord = Object.values(RECORD);
const writeRow = Object.values(ROW);

/** One row of `millrace.predictions` per predicted row; none of a record that `isRepeat` says repeats another. */
export function predictionRows(isRepeat: (item: Item<Prediction>) => boolean): BinaryRows<Prediction> {
  return {
    recordColumns: Object.keys(RECORD),
    rowColumns: Object.keys(ROW),
    count: (item) => (isRepeat(item) ? 0 : item.value.data.rows.length),
    writeRecord: ({ value }, out) => {
      for (const write of writeRecord) write(value, out);
    },
    writeRow: ({ value }, index, out) => {
      const row = value.data.rows[index] as PredictedRow;
      for (const write of writeRow) write(row, out);
    },
  };
}

/** Writes the mark of a Nullable, and says whether that was all. */
function isNull<T>(value: T | null, out: RowBinary): value is null {
  out.uint8(value === null ? 1 : 0);
  return value === null;
}

function textOrNull(text: string | null, out: RowBinary): void {
  if (!isNull(text, out)) out.text(text);
}

/** DateTime64(3): milliseconds since 1970. */
function timeOrNull(time: number | null, out: RowBinary): void {
  if (!isNull(time, out)) out.int64(Math.round(time));
}

/** What does not fit becomes what is nearest to it. */
function uint32(value: number, out: RowBinary): void {
  out.uint32(Math.min(LARGEST_UINT32, Math.max(0, Math.round(value))));
}

function json(value: object | null | undefined, out: RowBinary): void {
  out.text(value === null || value === undefined ? '{}' : storedJson(value));
}
