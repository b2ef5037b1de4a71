import { factDecoder } from '@millrace/service';
import type { OutcomeRecorded } from '../domain/prediction/outcome.js';
import type { UnitExposed } from '../domain/prediction/prediction.js';

/** Facts of experimentation that rollouts are judged by. */
export const decodeExposure = factDecoder<UnitExposed>('experimentation', 'UnitExposed');
export const decodeOutcome = factDecoder<OutcomeRecorded>('experimentation', 'OutcomeRecorded');
