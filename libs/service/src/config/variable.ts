import { z } from 'zod';

/** One environment variable: its name, its schema, and the sentence the reference table prints. */
export interface Variable<T = unknown> {
  readonly name: string;
  readonly schema: z.ZodType<T>;
  readonly meaning: string;
  /** Never printed. A URL is printed without its user part whether it is secret or not. */
  readonly secret: boolean;
}

export type Variables = Readonly<Record<string, Variable>>;
export type ValuesOf<V extends Variables> = { readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never };

/** Variables that belong together: the kit's own, or one service's. Names of a service's group start with `MILLRACE_<GROUP>_`. */
export interface ConfigGroup<V extends Variables = Variables> {
  readonly name: string;
  readonly variables: V;
  /** Rules across variables; each breach is one sentence that names the variables. */
  check?(values: ValuesOf<V>): readonly string[];
}

export function variable<S extends z.ZodType>(
  name: `MILLRACE_${string}`,
  schema: S,
  meaning: string,
  options: { readonly secret?: boolean } = {},
): Variable<z.output<S>> {
  return { name, schema: schema as unknown as z.ZodType<z.output<S>>, meaning, secret: options.secret ?? false };
}

/**
 * A service's own variables, declared in its config.ts. `name` is the domain; every variable has to be called
 * `MILLRACE_<NAME>_...`, so that another service can tell it is not meant.
 */
export function defineConfig<V extends Variables>(
  name: string,
  variables: V,
  check?: (values: ValuesOf<V>) => readonly string[],
): ConfigGroup<V> {
  const prefix = groupPrefix(name);
  for (const { name: variableName } of Object.values(variables)) {
    if (!variableName.startsWith(prefix))
      throw new Error(`${variableName} is declared by ${name}, so its name has to start with ${prefix}`);
  }
  return check ? { name, variables, check } : { name, variables };
}

export function groupPrefix(group: string): string {
  return `MILLRACE_${group.toUpperCase()}_`;
}

/** Any text that is not empty. */
export function text(): z.ZodType<string> {
  return z.string().min(1);
}

/** A key that something is encrypted with: text of enough randomness. */
export function keyText(): z.ZodType<string> {
  return z.string().min(32, { error: () => 'is shorter than 32 characters' });
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** The longest a timer can be set for, in whole days: Node lets a longer one go off at once. */
const LONGEST_TIMER = '24d';

/** `500ms`, `30s`, `5m`, `1h`, `7d`; milliseconds inside. At most what a timer can be set for, unless it is said otherwise. */
export function duration(fallback: string, { least = '0ms', most = LONGEST_TIMER } = {}): z.ZodType<number> {
  const number = measure('a duration such as 500ms, 30s, 5m or 1h', UNITS);
  const bounds = { least: millisecondsOf(least), most: millisecondsOf(most) };
  return z
    .string()
    .default(fallback)
    .transform(number)
    .refine((value) => value >= bounds.least && value <= bounds.most, { error: () => `is not a duration from ${least} to ${most}` });
}

/** `512B`, `64KiB`, `16MiB`, `1GiB`; bytes inside. Without a fallback it has to be given, unless it is made optional. */
export function size(fallback?: string): z.ZodType<number> {
  const text = fallback === undefined ? z.string() : z.string().default(fallback);
  return text
    .transform(measure('a size such as 512B, 64KiB, 16MiB or 1GiB', SIZES))
    .refine((bytes) => bytes > 0, { error: () => 'is not a size of 1B or more' });
}

export function port(fallback: number): z.ZodType<number> {
  return integer(0, 65_535, fallback);
}

/** Without a fallback it has to be given, unless it is made optional. */
export function integer(least: number, most: number, fallback?: number): z.ZodType<number> {
  const text = fallback === undefined ? z.string() : z.string().default(String(fallback));
  return text.transform((value, context) => {
    const number = Number(value);
    if (/^-?\d+$/.test(value) && number >= least && number <= most) return number;
    context.addIssue({ code: 'custom', message: `is not a whole number from ${least} to ${most}` });
    return z.NEVER;
  });
}

export function flag(fallback: boolean): z.ZodType<boolean> {
  return z
    .enum(['true', 'false'], { error: () => 'is neither true nor false' })
    .default(fallback ? 'true' : 'false')
    .transform((text) => text === 'true');
}

/** A URL of one of the schemes (`http:`, `redis:` ...). */
export function url(...schemes: readonly string[]): z.ZodType<string> {
  return z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol), {
    error: () => `is not a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`,
  });
}

/** `/millrace`, `/team/millrace`: letters that mean the same in a URL and out of it, so that nobody spells it in two ways. */
export function pathPrefix(): z.ZodType<string> {
  return z.string().transform((text, context) => {
    const isPath = (path: string): boolean => path.length <= 200 && /^(\/[A-Za-z0-9_~-]+)+$/.test(path);
    if (isPath(text)) return text;
    const segments = text.replace(/^https?:\/\/[^/]*/, '').split('/');
    const mended = segments.map((segment) => (segment === '' ? '' : `/${segment}`)).join('');
    const mend = isPath(mended) ? `; write ${mended}` : mended === '' ? '; leave it unset where there is none' : '';
    const what =
      'is not a path such as /millrace, of at most 200 letters, digits, "-", "_" and "~" with a slash before each segment and none at the end';
    context.addIssue({ code: 'custom', message: `${what}${mend}` });
    return z.NEVER;
  });
}

/** URLs separated by commas, none of them twice. */
export function urls(...schemes: readonly string[]): z.ZodType<readonly string[]> {
  const one = url(...schemes);
  return z.string().transform((text, context) => {
    const all = [...new Set(text.split(',').map((part) => part.trim()))];
    for (const { error } of all.map((part) => one.safeParse(part))) {
      if (error) context.addIssue({ code: 'custom', message: error.issues[0]?.message ?? 'is not a list of URLs' });
    }
    return all;
  });
}

/** Absolute paths of directories separated by commas; none when it is not set. */
export function directories(): z.ZodType<readonly string[]> {
  return z
    .string()
    .default('')
    .transform((text, context) => {
      const all = text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
      const wrong = all.find((path) => !path.startsWith('/') || path.split('/').includes('..'));
      if (wrong !== undefined) context.addIssue({ code: 'custom', message: `names ${wrong}, which is not an absolute path` });
      return all;
    });
}

function millisecondsOf(text: string): number {
  const [, number, unit] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit ?? ''] ?? NaN);
}

function measure(what: string, units: Readonly<Record<string, number>>) {
  return (text: string, context: z.RefinementCtx<string>): number => {
    const match = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text);
    const unit = match ? units[match[2] as string] : undefined;
    if (match && unit !== undefined) return Math.round(Number(match[1]) * unit);
    context.addIssue({ code: 'custom', message: `is not ${what}` });
    return z.NEVER;
  };
}
