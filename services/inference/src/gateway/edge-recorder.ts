import { Fault, type Position } from '@millrace/kernel';
import type { PredictionLogRules } from '../domain/deployment/definitions.js';
import type { PredictionMade } from '../domain/prediction/prediction.js';
import { isRefusal, type RefusalCode } from '../domain/refusal.js';
import { keepsInputs, redactRecord } from './redact-rows.js';
import type { UnitSource } from './units.js';

/** Appends facts of one topic; the service kit's, narrowed. */
export type AppendPredictions = (
  facts: readonly { readonly key: string; readonly id: string; readonly data: PredictionMade }[],
  traceparent: string | undefined,
) => Promise<readonly Position[]>;

/** What an upload's deployment has to say about its records. */
export interface EdgeRules {
  /** What the deployment wants kept, as of all that is on the log. */
  readonly of: (deployment: string) => Promise<PredictionLogRules | undefined>;
  /** What the deployment's units may be of, as of its newest version: its rules hold on when it is deleted. */
  readonly units: (deployment: string) => UnitSource;
  /** Columns of a version's one input tensor, when it says them. Throws a refusal of {@link FOR_GOOD} where they can never be known, and anything else where they may be later. */
  readonly columns: (model: string, version: number) => Promise<readonly string[] | undefined>;
}

/** What is said of a version that will never be served. All else passes. */
const FOR_GOOD: readonly RefusalCode[] = ['MR_INFERENCE_UNSERVABLE', 'MR_INFERENCE_UNKNOWN_MODEL', 'MR_INFERENCE_UNKNOWN_VERSION'];

/**
 * Puts answers of exported models on the log. Unlike the gateway's own they are not behind an answer: who sent them keeps them until this resolves, so
 * nothing is shed. The prediction's id is the record's, and a repeat is in the same partition as the first.
 */
export class EdgeRecorder {
  constructor(
    private readonly append: AppendPredictions,
    private readonly rules: EdgeRules,
  ) {}

  /** Records one upload: the predictions are of one version and one deployment. */
  async record(predictions: readonly PredictionMade[], traceparent: string | undefined): Promise<readonly Position[]> {
    const kept = await this.#redacted(predictions);
    return this.append(
      kept.map((data) => ({ key: data.predictionId, id: data.predictionId, data })),
      traceparent,
    );
  }

  async #redacted(predictions: readonly PredictionMade[]): Promise<readonly PredictionMade[]> {
    const [first] = predictions;
    const deployment = first?.deployment ?? null;
    if (!first || deployment === null) return predictions;
    const rules = await this.rules.of(deployment);
    if (rules === undefined || rules.redact.size === 0) return predictions;
    const { redact } = rules;
    // A version that is asked for is loaded, and others make room: only where something of it is kept.
    const isAsked = predictions.some(({ rows }) => rows.some((row) => keepsInputs(row, redact)));
    const columns = isAsked ? await this.#columns(first) : undefined;
    const units = this.rules.units(deployment);
    return predictions.map((prediction) => {
      const rows = prediction.rows.map((row) => ({ ...row, request: null, features: row.request }));
      const redacted = redactRecord({ ...prediction, rows }, rules, { columns, units });
      return { ...redacted, rows: redacted.rows.map((row) => ({ ...row, request: row.features, features: null })) };
    });
  }

  /** `null` where nobody will ever know them. What passes is thrown: whoever sent the predictions keeps them and sends them again. */
  async #columns({ model, version }: PredictionMade): Promise<readonly string[] | undefined | null> {
    try {
      return await this.rules.columns(model, version);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (FOR_GOOD.includes(error.code)) return null;
      throw new Fault(error.code, `which columns may not be recorded is not known yet: ${error.message}`, true);
    }
  }
}
