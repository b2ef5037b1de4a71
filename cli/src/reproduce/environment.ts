import { parse } from 'yaml';

/** What has to be installed to run it again. */
export interface Environment {
  /** The file it was read from. */
  readonly file: string;
  /** Lines of a requirements file. */
  readonly requirements: readonly string[];
  /** `3.11.7`; `null` when no file says it. */
  readonly python: string | null;
}

const NAMES = ['requirements.txt', 'python_env.yaml', 'conda.yaml', 'MLmodel'];

/** Files of a run that say something of its environment. */
export function isEnvironmentFile(path: string): boolean {
  return NAMES.includes(nameOf(path));
}

/**
 * The environment of a run, from the files beside its entry point if there are any, else from the highest ones. `requirements.txt` says it best, then
 * `python_env.yaml`, then `conda.yaml`; what one does not say of Python's version is taken from the others of its folder.
 */
export function environmentOf(files: ReadonlyMap<string, string>, preferredFolder: string | null): Environment | null {
  const folders = [...new Set([...files.keys()].map(folderOf))].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const folder of folders) {
    const at = (name: string): string | undefined => files.get(folder === '' ? name : `${folder}/${name}`);
    const python = pythonOf(at);
    for (const [name, read] of READERS) {
      const text = at(name);
      const requirements = text === undefined ? undefined : read(text, at('requirements.txt'));
      if (requirements && requirements.length > 0) return { file: folder === '' ? name : `${folder}/${name}`, requirements, python };
    }
  }
  return null;

  function rank(folder: string): number {
    if (folder === preferredFolder) return -1;
    return folder === '' ? 0 : folder.split('/').length;
  }
}

/** Requirements that do not say which version: another one may be installed than was. */
export function unpinned(requirements: readonly string[]): string[] {
  return requirements.filter((line) => !/==|@\s|^-|\.whl$|\.tar\.gz$/.test(line));
}

type Reader = (text: string, requirements: string | undefined) => string[] | undefined;

const READERS: readonly (readonly [string, Reader])[] = [
  ['requirements.txt', (text) => linesOf(text)],
  ['python_env.yaml', (text, beside) => pythonEnv(text, beside)],
  ['conda.yaml', (text) => condaPip(text)],
];

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

function pythonEnv(text: string, beside: string | undefined): string[] {
  const { build_dependencies: build, dependencies } = objectOf(text);
  const lines = [...textsOf(build), ...textsOf(dependencies)];
  return lines.flatMap((line) => (/^-r\s+requirements\.txt$/.test(line) ? linesOf(beside ?? '') : [line]));
}

function condaPip(text: string): string[] {
  const { dependencies } = objectOf(text);
  if (!Array.isArray(dependencies)) return [];
  return dependencies.flatMap((one: unknown) => (typeof one === 'object' && one !== null ? textsOf((one as { pip?: unknown }).pip) : []));
}

function pythonOf(at: (name: string) => string | undefined): string | null {
  const said: unknown[] = [
    objectOf(at('python_env.yaml'))['python'],
    textsOf(objectOf(at('conda.yaml'))['dependencies'])
      .map((line) => /^python\s*=+\s*([\d.]+)$/.exec(line)?.[1])
      .find((version) => version !== undefined),
    (objectOf(at('MLmodel'))['flavors'] as { python_function?: { python_version?: unknown } } | undefined)?.python_function?.python_version,
  ];
  const version = said.find((one) => typeof one === 'string' || typeof one === 'number');
  return version === undefined ? null : String(version);
}

function objectOf(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const value = parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
  } catch {
    // A file that is no YAML says nothing; another may.
    return {};
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string').map((one) => one.trim()) : [];
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}
