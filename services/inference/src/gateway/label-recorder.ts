import { canonical, type Ids, type Position } from '@millrace/kernel';
import type { LabelRecorded } from '../domain/prediction/label.js';

export interface NewLabel {
  /** The client's own, which makes a repeat recognisable. */
  readonly id: string | undefined;
  readonly label: LabelRecorded;
}

/** Appends facts of one topic; the service kit's, narrowed. */
export type AppendLabels = (
  facts: readonly { readonly key: string; readonly id: string; readonly data: LabelRecorded }[],
  traceparent: string | undefined,
) => Promise<readonly Position[]>;

/** Puts labels on the log. A label told twice (same deployment, prediction, name, value and time) has the same id, so it counts once. */
export class LabelRecorder {
  constructor(
    private readonly append: AppendLabels,
    private readonly ids: Ids,
  ) {}

  record(labels: readonly NewLabel[], traceparent: string | undefined): Promise<readonly Position[]> {
    const facts = labels.map(({ id, label }) => ({
      key: label.predictionId ?? label.unit ?? label.deployment,
      id: id ?? this.ids.derived(canonical(label), 'label'),
      data: label,
    }));
    return this.append(facts, traceparent);
  }
}
