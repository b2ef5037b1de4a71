import { ProblemError } from '@millrace/service';
import type { EvidenceValue, Target } from '../../domain/governance/governance.events.js';
import { STAGES } from '../../domain/model/model.events.js';

type Values = Readonly<Record<string, unknown>>;

/** A JSON body or a query, read field by field; every mistake names the field and the mend. */
export class RequestFields {
  readonly values: Values;

  constructor(
    values: unknown,
    readonly known: readonly string[],
  ) {
    if (values !== undefined && values !== null && (typeof values !== 'object' || Array.isArray(values))) {
      throw invalid('body', 'has to be a JSON object');
    }
    this.values = (values ?? {}) as Values;
    const unknown = Object.keys(this.values).find((field) => !known.includes(field));
    if (unknown !== undefined) throw invalid(unknown, `is not a field of this request; fields are ${known.join(', ')}`);
  }

  text(field: string, most = 2000): string | undefined {
    const value = this.values[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw invalid(field, 'has to be a text');
    if (value.length > most) throw invalid(field, `has ${value.length} characters; at most ${most} are taken`);
    return value;
  }

  requiredText(field: string, most?: number): string {
    const value = this.text(field, most)?.trim();
    if (!value) throw invalid(field, 'is missing');
    return value;
  }

  flag(field: string): boolean | undefined {
    const value = this.values[field];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'boolean') throw invalid(field, 'has to be true or false');
    return value;
  }

  number(field: string): number | undefined {
    const value = this.values[field];
    if (value === undefined || value === null) return undefined;
    const number = typeof value === 'string' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) throw invalid(field, 'has to be a number from 1');
    return number;
  }

  requiredNumber(field: string): number {
    const value = this.number(field);
    if (value === undefined) throw invalid(field, 'is missing');
    return value;
  }

  /** `stage` or `alias`, one of them. */
  target(): Target | undefined {
    const [stage, alias] = [this.text('stage'), this.text('alias', 255)];
    if (stage !== undefined && alias !== undefined) throw invalid('stage', 'and alias exclude each other');
    if (alias !== undefined) return { kind: 'alias', name: alias };
    if (stage === undefined) return undefined;
    const known = STAGES.find((one) => one.toLowerCase() === stage.toLowerCase());
    if (!known) throw invalid('stage', `${stage} is not one of ${STAGES.join(', ')}`);
    return { kind: 'stage', name: known };
  }

  requiredTarget(): Target {
    const target = this.target();
    if (!target) throw invalid('stage', 'or alias is missing: where is the version to go?');
    return target;
  }

  evidence(field: string): Record<string, EvidenceValue> {
    const value = this.values[field];
    if (value === undefined || value === null) return {};
    if (typeof value !== 'object' || Array.isArray(value)) throw invalid(field, 'has to be an object of texts, numbers and booleans');
    const entries = Object.entries(value);
    if (entries.length > 100) throw invalid(field, `has ${entries.length} entries; at most 100 are taken`);
    const wrong = entries.find(([, one]) => one !== null && !['string', 'number', 'boolean'].includes(typeof one));
    if (wrong) throw invalid(`${field}.${wrong[0]}`, 'has to be a text, a number, true, false or null');
    return value as Record<string, EvidenceValue>;
  }

  /** RFC 3339 text, or milliseconds since the epoch. */
  time(field: string): number | undefined {
    const text = this.text(field);
    if (text === undefined) return undefined;
    const time = /^\d{1,16}$/.test(text) ? Number(text) : /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(time))
      throw invalid(field, `${JSON.stringify(text)} is not a time; give RFC 3339 (2026-01-31T12:00:00Z) or milliseconds`);
    return time;
  }
}

export function invalid(field: string, what: string): ProblemError {
  return new ProblemError(400, 'MR_REGISTRY_REQUEST_INVALID', `${field} ${what}`, { field });
}

/** Of `limit` and `pageToken`. */
export function badPage(message: string): ProblemError {
  return new ProblemError(400, 'MR_REGISTRY_REQUEST_INVALID', message);
}

/** A number in a path. */
export function numberIn(text: string | undefined, what: string): number {
  if (text === undefined || !/^[1-9]\d{0,14}$/.test(text)) throw invalid(what, `${JSON.stringify(text)} is not a number from 1`);
  return Number(text);
}
