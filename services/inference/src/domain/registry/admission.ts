import { matchesAny, shellArgument } from '@millrace/kernel';
import { aliasKey, stageKey } from './model-catalog.js';

/** What of a policy says which versions are served. */
export interface ServingPolicy {
  readonly name: string;
  /** Names of registered models, with `*` for any text; so are the aliases. */
  readonly models: readonly string[];
  readonly stages: readonly string[];
  readonly aliases: readonly string[];
  /** Only what a policy of the model admits is served. */
  readonly governsServing: boolean;
}

/** Where every version begins, and where it is put away: who is moved there is not promoted. */
const ADMIT_NOTHING: readonly string[] = ['None', 'Archived'];

/** Says why a version is not served, and how it comes to be. */
export type Refusal = (version: number) => string;

/**
 * Why no version that has held just these is served under the model's name; `undefined` where it is: no policy of the model asks for more, or one
 * governs what it has held.
 */
export function refusalOf(policies: readonly ServingPolicy[], name: string, held: ReadonlySet<string>): Refusal | undefined {
  const own = policies.filter(({ models }) => matchesAny(models, name));
  if (!own.some(({ governsServing }) => governsServing)) return undefined;
  for (const { stages, aliases } of own) {
    if (admitting(stages).some((stage) => held.has(stageKey(stage)))) return undefined;
    for (const key of held) if (aliases.some((alias) => matchesAny([aliasKey(alias)], key))) return undefined;
  }
  return (version) => reasonOf(own, name, version);
}

function reasonOf(own: readonly ServingPolicy[], name: string, version: number): string {
  const governing = own.filter(({ governsServing }) => governsServing).map((policy) => policy.name);
  const aliases = [...new Set(own.flatMap((policy) => policy.aliases))];
  const stages = [...new Set(own.flatMap((policy) => admitting(policy.stages)))];
  const targets = [...aliases.map((alias) => `alias ${alias}`), ...stages.map((stage) => `stage ${stage}`)];
  const alias = aliases.find((one) => !one.includes('*'));
  const target =
    alias !== undefined ? `--alias ${shellArgument(alias)}` : stages[0] !== undefined ? `--stage ${stages[0]}` : '--alias ALIAS';
  const by = `${governing.length > 1 ? 'policies' : 'policy'} ${governing.join(', ')}`;
  return (
    `${by} ${governing.length > 1 ? 'keep' : 'keeps'} version ${version} of model ${JSON.stringify(name)} from being served: ` +
    `it has never held ${targets.join(' or ')}; ` +
    `ask for it with "millrace models request ${shellArgument(name)} ${version} ${target}"`
  );
}

function admitting(stages: readonly string[]): string[] {
  return stages.filter((stage) => !ADMIT_NOTHING.includes(stage));
}
