import type { OfflineStore } from '@millrace/offline-store';
import { PATTERN_FLAGS, type TraceCriterion } from './trace-sql.js';

export interface WrongPattern {
  readonly pattern: string;
  /** What the store says is wrong with it. */
  readonly reason: string;
}

/** The first regular expression of a search that is none; asked of the store, because only RE2 itself knows what it takes. */
export async function wrongPattern(store: OfflineStore, criteria: readonly TraceCriterion[]): Promise<WrongPattern | undefined> {
  for (const criterion of criteria) {
    if (!('operator' in criterion) || criterion.operator !== 'RLIKE') continue;
    const value = String(criterion.value);
    const pattern = value.slice(PATTERN_FLAGS.length);
    try {
      await store.query(`SELECT match('', {pattern:String})`, { pattern: value });
    } catch (error) {
      const said = textOf(error);
      if (!/cannot compile re2|CANNOT_COMPILE_REGEXP/i.test(said)) throw error;
      const [, reason = 'RE2 does not take it'] = /, error: (.*?)\. Look at/s.exec(said) ?? [];
      return { pattern, reason };
    }
  }
  return undefined;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const type = 'type' in error ? String(error.type) : '';
  return `${type} ${error.message}${error.cause === undefined ? '' : ` ${textOf(error.cause)}`}`;
}
