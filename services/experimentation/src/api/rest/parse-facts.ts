import type { OutcomeRecorded, UnitExposed } from '../../domain/experiment/facts.js';

export interface TimedFact<T> {
  readonly id: string | undefined;
  readonly time: number;
  readonly data: T;
}

export type ParsedFact<T> = { readonly ok: true; readonly fact: TimedFact<T> } | { readonly ok: false; readonly reason: string };

/** `{unit, variant?, time?, id?}`; without a variant it is the assigned one. */
export function parseExposure(
  experiment: string,
  value: unknown,
  now: number,
  variantOf: (unit: string) => string | null,
): ParsedFact<UnitExposed> {
  const common = parseCommon(value, now);
  if (!common.ok) return common;
  const { unit, id, time, given } = common;
  const { variant: named, deployment = null } = given;
  if (named !== undefined && (typeof named !== 'string' || named === '')) return no('variant must be a non-empty string');
  if (deployment !== null && typeof deployment !== 'string') return no('deployment must be a string');
  const variant = named ?? variantOf(unit);
  if (variant === null) return no(`unit ${JSON.stringify(unit)} takes no part in the experiment, so it cannot have met a variant`);
  return { ok: true, fact: { id, time, data: { experiment, unit, variant, deployment } } };
}

/** `{unit, metric, value, time?, id?}`. */
export function parseOutcome(experiment: string, value: unknown, now: number): ParsedFact<OutcomeRecorded> {
  const common = parseCommon(value, now);
  if (!common.ok) return common;
  const { unit, id, time, given } = common;
  const { metric, value: measured } = given;
  if (typeof metric !== 'string' || metric === '') return no('metric must be a non-empty string');
  const number = typeof measured === 'boolean' ? Number(measured) : measured;
  if (typeof number !== 'number' || !Number.isFinite(number)) return no('value must be a number or a boolean');
  return { ok: true, fact: { id, time, data: { experiment, unit, metric, value: number } } };
}

type Common =
  | {
      readonly ok: true;
      readonly unit: string;
      readonly id: string | undefined;
      readonly time: number;
      readonly given: Readonly<Record<string, unknown>>;
    }
  | { readonly ok: false; readonly reason: string };

function parseCommon(value: unknown, now: number): Common {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return no('it must be an object');
  const given = value as Readonly<Record<string, unknown>>;
  const { unit, id } = given;
  if (typeof unit !== 'string' || unit === '') return no('unit must be a non-empty string');
  if (id !== undefined && (typeof id !== 'string' || id === '')) return no('id must be a non-empty string');
  const time = timeOf(given['time'], now);
  if (time === undefined) return no('time must be ISO 8601 or milliseconds since the epoch');
  return { ok: true, unit, id: id, time, given };
}

function timeOf(value: unknown, now: number): number | undefined {
  if (value === undefined || value === null) return now;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const time = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(time) ? undefined : time;
}

function no(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}
