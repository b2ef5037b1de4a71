import { factReader } from '@millrace/contracts';
import { factDecoder } from '@millrace/event-log';
import type { OutcomeRecorded } from '../domain/prediction/outcome.js';
import type { UnitExposed } from '../domain/prediction/prediction.js';

/** Facts of experimentation that rollouts are judged by. */
export const decodeExposure = factDecoder(factReader<UnitExposed>('experimentation', 'UnitExposed'));
export const decodeOutcome = factDecoder(factReader<OutcomeRecorded>('experimentation', 'OutcomeRecorded'));
