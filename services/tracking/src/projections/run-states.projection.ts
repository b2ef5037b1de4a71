import type { Item, ItemBatch } from '@millrace/event-log';
import { aggregateOf, type LoggedDecision, type Position } from '@millrace/kernel';
import type { RunState } from '../domain/run/run.decider.js';

export const RUN_STATES_TABLE = 'millrace.run_states';
const CONTEXT_TAG = 'mlflow.data.context';

/** What the projection needs of the domain's replica. */
export interface RunReplica {
  waitFor(position: Position): Promise<void>;
  run(subject: string): { readonly sequence: number; readonly state: RunState };
}

/**
 * A run's whole state as a row of `millrace.run_states`, once for each batch of the log that changed it: the row of the highest
 * sequence is the run. The state is the replica's, which may be further than the batch; a later row then says the same again.
 */
export class RunStatesProjection {
  /** By partition, since partitions are handled at the same time: the offsets of the batch in hand that make a row. */
  readonly #emitting = new Map<number, ReadonlySet<number>>();

  constructor(private readonly replica: RunReplica) {}

  /** Picks the last record of each run in the batch and waits until the replica has folded the batch. */
  readonly prepare = async (batch: ItemBatch<LoggedDecision>): Promise<void> => {
    const lastOf = new Map<string, Position>();
    for (const { value } of batch.items) if (aggregateOf(value.subject) === 'run') lastOf.set(value.subject, value.position);
    this.#emitting.set(batch.partition, new Set([...lastOf.values()].map((position) => position.offset)));
    const last = batch.items.at(-1);
    if (last) await this.replica.waitFor(last.value.position);
  };

  readonly toRows = ({ value }: Item<LoggedDecision>): object | undefined => {
    if (!this.#emitting.get(value.position.partition)?.has(value.position.offset)) return undefined;
    const { sequence, state } = this.replica.run(value.subject);
    if (!state) return undefined;
    return {
      experiment_id: state.experimentId,
      run_id: state.runId,
      sequence,
      name: state.name,
      status: state.status,
      user_id: state.userId,
      start_time: state.startTime,
      end_time: state.endTime,
      artifact_uri: state.artifactUri,
      deleted: state.deleted,
      purged: state.purged ?? false,
      params: Object.fromEntries(state.params),
      tags: Object.fromEntries(state.tags),
      'datasets.name': state.datasets.map((input) => input.name),
      'datasets.digest': state.datasets.map((input) => input.digest),
      'datasets.context': state.datasets.map((input) => input.tags[CONTEXT_TAG] ?? ''),
    };
  };
}
