import { ProblemError } from '@millrace/service';

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One text, or `undefined` when it is not given. */
export function text(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(name, 'is given more than once; send it once');
  return value;
}

/** Several texts: the parameter repeated, or separated by commas. */
export function texts(query: Query, name: string): readonly string[] {
  const value = query[name];
  const all = value === undefined ? [] : typeof value === 'string' ? [value] : value;
  return [...new Set(all.flatMap((one) => one.split(',')).filter((one) => one !== ''))];
}

export function integer(query: Query, name: string, least: number, most: number): number | undefined {
  const given = text(query, name);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!/^-?\d+$/.test(given) || value < least || value > most) throw invalid(name, `is an integer from ${least} to ${most}, not ${given}`);
  return value;
}

export function oneOf<T extends string>(query: Query, name: string, allowed: readonly T[], otherwise: T): T {
  const given = text(query, name) ?? otherwise;
  const found = allowed.find((one) => one === given);
  if (!found) throw invalid(name, `is one of ${allowed.join(', ')}, not ${given}`);
  return found;
}

export function invalid(name: string, what: string): ProblemError {
  return new ProblemError(400, 'MR_TRACKING_QUERY_INVALID', `${name} ${what}`, { parameter: name });
}
