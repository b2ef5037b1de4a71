import { invalid, Refusal } from '../domain/refusal.js';
import { outputDifference } from '../models/output-difference.js';
import type { ServedModel } from '../models/served-model.js';
import type { Served } from './gateway.js';

/** The outputs a request names, checked against its model's; all where it names none. */
export function outputNames({ outputNames: all }: ServedModel, asked: readonly string[] | undefined): readonly string[] {
  if (!asked) return all;
  const unknown = asked.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw invalid(`output ${JSON.stringify(unknown)} is unknown; the model gives ${all.map((name) => JSON.stringify(name)).join(', ')}`);
  return asked;
}

/** Callers read what the primary gives: a candidate that gives something else fails them. */
export function mustAnswerAlike({ slotOf, reference }: Pick<Served, 'slotOf' | 'reference'>, candidate: ServedModel): void {
  const primary = slotOf(reference)?.current;
  const difference = primary && outputDifference(primary, candidate);
  if (difference !== undefined)
    throw new Refusal('MR_INFERENCE_UNSERVABLE', `the candidate does not give what the primary does: ${difference}`);
}
