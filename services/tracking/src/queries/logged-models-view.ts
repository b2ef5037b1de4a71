import type { DecisionReplica, LoggedDecision } from '@millrace/kernel';
import { LOGGED_MODEL, type LoggedModel, type LoggedModelState } from '../domain/logged-model/logged-model.decider.js';
import type { LoggedModelCreated } from '../domain/logged-model/logged-model.events.js';

/** The domain's decisions as this view reads them. */
export interface LoggedModelsLog {
  readonly replica: DecisionReplica;
  barrier(): Promise<void>;
  onAccepted(listener: (record: LoggedDecision) => void): () => void;
}

/**
 * Logged models as this process has folded them. Of each it keeps the id by experiment and by run, so that a search goes through
 * the models of the experiments it names and no others; the models themselves are the replica's.
 */
export class LoggedModelsView {
  readonly #byExperiment = new Map<string, Set<string>>();
  readonly #byRun = new Map<string, Set<string>>();
  readonly #scanned: Promise<void>;

  /** Make it right after the domain was opened: what is accepted from then on is heard, what was stored before is read. */
  constructor(private readonly log: LoggedModelsLog) {
    log.onAccepted(({ type, data }) => {
      if (type === 'LoggedModelCreated') this.#add(data as LoggedModelCreated);
    });
    this.#scanned = this.#scan();
    // Whoever asks is told; until then a failure must not end the process.
    this.#scanned.catch(() => undefined);
  }

  /** Waits until every decision the log holds now is folded. */
  async upToDate(): Promise<void> {
    await this.#scanned;
    await this.log.barrier();
  }

  /** A model that is there; a deleted one is not. */
  model(modelId: string): LoggedModel | undefined {
    const model = this.anyModel(modelId);
    return model && !model.deleted ? model : undefined;
  }

  /** Also a deleted one. */
  anyModel(modelId: string): LoggedModel | undefined {
    return (this.log.replica.subject(`${LOGGED_MODEL}/${modelId}`).state as LoggedModelState) ?? undefined;
  }

  *inExperiments(experimentIds: Iterable<string>): Generator<LoggedModel> {
    for (const experimentId of new Set(experimentIds)) yield* this.#models(this.#byExperiment.get(experimentId));
  }

  ofRun(runId: string): Generator<LoggedModel> {
    return this.#models(this.#byRun.get(runId));
  }

  *#models(ids: ReadonlySet<string> | undefined): Generator<LoggedModel> {
    for (const id of ids ?? []) {
      const model = this.model(id);
      if (model) yield model;
    }
  }

  async #scan(): Promise<void> {
    for await (const [, { state }] of this.log.replica.subjects(`${LOGGED_MODEL}/`)) if (state) this.#add(state as LoggedModel);
  }

  #add({ modelId, experimentId, sourceRunId }: Pick<LoggedModel, 'modelId' | 'experimentId' | 'sourceRunId'>): void {
    add(this.#byExperiment, experimentId, modelId);
    if (sourceRunId !== null) add(this.#byRun, sourceRunId, modelId);
  }
}

function add(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids) ids.add(id);
  else index.set(key, new Set([id]));
}
