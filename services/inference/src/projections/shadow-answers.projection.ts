import { factReader } from '@millrace/contracts';
import { factDecoder, type Item, type LoggedFact } from '@millrace/event-log';
import type { ShadowAnswered } from '../domain/prediction/prediction.js';

export const decodeShadow = factDecoder(factReader<ShadowAnswered>('inference', 'ShadowAnswered'));

type Shadow = Item<LoggedFact<ShadowAnswered>>;

/** One table row per row of the mirrored request; one alone where the candidate had no answer, none of a record that `isRepeat` says repeats another. */
export function shadowRows(isRepeat: (item: Shadow) => boolean): (item: Shadow) => object[] {
  return (item) => (isRepeat(item) ? [] : rowsOf(item.value));
}

function rowsOf({ event, data }: LoggedFact<ShadowAnswered>): object[] {
  const common = {
    ...{ time: event.time, rollout: data.rollout, run: data.run, deployment: data.deployment, prediction_id: data.predictionId },
    primary_latency_us: data.primary.latencyMicros,
    candidate_latency_us: data.candidate.latencyMicros,
    candidate_error: data.candidate.error ?? '',
  };
  if (data.rows.length === 0) return [{ ...common, row: null, unit: null, primary_prediction: null, candidate_prediction: null }];
  return data.rows.map(({ row, unit, primary, candidate }) => ({
    ...common,
    ...{ row, unit, primary_prediction: primary, candidate_prediction: candidate },
  }));
}
