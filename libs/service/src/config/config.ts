import { Fault } from '@millrace/kernel';
import { z } from 'zod';
import { nearest } from './nearest.js';
import { kitConfig } from './kit-variables.js';
import { groupPrefix, type ConfigGroup, type ValuesOf, type Variables } from './variable.js';

/** What the process was told by its environment: parsed once, then passed as a value. */
export type Config = ValuesOf<typeof kitConfig.variables> & {
  /** The values of a service's own group; a group that was not loaded is a bug. */
  of<V extends Variables>(group: ConfigGroup<V>): ValuesOf<V>;
  /** Every variable with its value as it may be printed. */
  redacted(): Readonly<Record<string, string>>;
};

/** Whose variables a service passes over in silence: several services may be started from one environment. */
const GROUPS = ['tracking', 'registry', 'features', 'inference', 'experimentation', 'router'] as const;

/** What the command line and other clients read; a process may be started from a shell that has them. */
const CLIENT_VARIABLES = new Set(['MILLRACE_URL', 'MILLRACE_API_KEY']);

/** Set by the tests' own tools. */
const TEST_PREFIX = 'MILLRACE_TEST_';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment once. Throws one `MR_CONFIG` fault that lists every wrong value and every unknown `MILLRACE_*`
 * variable with the known one nearest to it. An empty value counts as not set.
 */
export function loadConfig(groups: readonly ConfigGroup[] = [], environment: Environment = process.env): Config {
  const problems: string[] = [];
  const all: readonly ConfigGroup[] = [kitConfig, ...groups];
  problems.push(...unknownVariables(all, environment));
  const parsed = new Map<string, Record<string, unknown>>();
  for (const group of all) {
    const values = parseGroup(group, environment, problems);
    if (values && group.check) problems.push(...group.check(values));
    parsed.set(group.name, values ?? {});
  }
  if (problems.length > 0) {
    throw new Fault('MR_CONFIG', `the configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`, false);
  }
  const own = parsed.get(kitConfig.name) as ValuesOf<typeof kitConfig.variables>;
  return Object.freeze({
    ...own,
    of<V extends Variables>(group: ConfigGroup<V>): ValuesOf<V> {
      const values = parsed.get(group.name);
      if (!values) throw new Error(`the configuration of ${group.name} was not loaded; name its group where the process starts`);
      return values as ValuesOf<V>;
    },
    redacted: () => redact(all, parsed),
  });
}

function parseGroup(group: ConfigGroup, environment: Environment, problems: string[]): Record<string, unknown> | undefined {
  const shape = Object.fromEntries(Object.values(group.variables).map((variable) => [variable.name, variable.schema]));
  const given = Object.fromEntries(Object.keys(shape).map((name) => [name, environment[name] === '' ? undefined : environment[name]]));
  const result = z.object(shape).safeParse(given);
  if (!result.success) {
    for (const issue of result.error.issues) problems.push(`${String(issue.path[0])} ${issue.message}`);
    return undefined;
  }
  const byName = result.data as Record<string, unknown>;
  return Object.fromEntries(Object.entries(group.variables).map(([key, variable]) => [key, byName[variable.name]]));
}

function unknownVariables(groups: readonly ConfigGroup[], environment: Environment): string[] {
  const known = new Set(groups.flatMap((group) => Object.values(group.variables).map((variable) => variable.name)));
  const others = GROUPS.filter((name) => !groups.some((group) => group.name === name)).map(groupPrefix);
  const problems: string[] = [];
  for (const name of Object.keys(environment).sort()) {
    if (!name.startsWith('MILLRACE_') || known.has(name) || name.startsWith(TEST_PREFIX) || CLIENT_VARIABLES.has(name)) continue;
    if (others.some((prefix) => name.startsWith(prefix))) continue;
    problems.push(`${name} is not a variable of Millrace; did you mean ${nearest(name, known) ?? 'none'}?`);
  }
  return problems;
}

function redact(groups: readonly ConfigGroup[], parsed: ReadonlyMap<string, Record<string, unknown>>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const group of groups) {
    for (const [key, variable] of Object.entries(group.variables)) {
      const value = parsed.get(group.name)?.[key];
      if (value === undefined) continue;
      shown[variable.name] = variable.secret ? '(secret)' : withoutUserInfo(textOf(value));
    }
  }
  return shown;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? value.join(',') : JSON.stringify(value);
}

function withoutUserInfo(text: string): string {
  // To the last @ before the path: a password may hold one.
  return text.replace(/(^|,)([a-z][a-z0-9+.-]*:\/\/)[^/]*@/gi, '$1$2(secret)@');
}
