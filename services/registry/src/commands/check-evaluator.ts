import { matchesAny } from '@millrace/kernel';
import type { PolicyCheckSpec, PolicySpec } from '@millrace/resources';
import type { Target } from '../domain/governance/governance.events.js';
import { holderOf } from '../domain/governance/governance.state.js';
import type { ModelVersion } from '../domain/model/model.decider.js';
import type { ModelCard } from '../queries/model-card.js';
import type { RegistryView, VersionView } from '../queries/registry-view.js';
import type { ReportedCheck } from './governance-commands.js';
import { madeBy, type Makers } from './made-by.js';
import type { ModelInterface } from './model-inspector.js';
import type { Policies } from './policies.js';
import type { RunFacts } from './run-artifacts.js';
import type { ServingVerdict } from '../queries/serving-verdict.query.js';

/** Runs and logged models are read to the log's end. */
export interface CheckSources extends Makers {
  /** The latest value of a metric by run id; absent where the run has none. */
  readonly metric: (key: string, runs: readonly { runId: string; experimentId: string }[]) => Promise<ReadonlyMap<string, number>>;
  readonly card: (version: VersionView) => Promise<ModelCard>;
  readonly modelInterface: (version: VersionView) => Promise<ModelInterface>;
  /** What a gateway last found when it loaded the version; `undefined`: none has tried. */
  readonly serving: (modelId: string, version: number) => Promise<ServingVerdict | undefined>;
  /** The columns a feature service gives, with what a request brings; `undefined` when there is no such service. */
  readonly vector: (featureService: string) => readonly string[] | undefined;
}

type Found = Pick<ReportedCheck, 'passed' | 'detail' | 'evidence' | 'against'>;

/** Looks for itself whether a version passes the checks that its policies leave to the registry. */
export class CheckEvaluator {
  constructor(
    private readonly policies: Policies,
    private readonly view: RegistryView,
    private readonly sources: CheckSources,
  ) {}

  /**
   * Results of all such checks of the policies that govern `target`, or of all the model's policies without one, for each policy its own; of `only`
   * these names where it is given. A check that cannot be made yet gives none.
   */
  async evaluate(name: string, version: number, target: Target | undefined, only?: ReadonlySet<string>): Promise<ReportedCheck[]> {
    const found = this.view.version(name, version);
    if (!found) return [];
    const results: ReportedCheck[] = [];
    for (const { policy, spec, check } of this.policies.evaluated(name)) {
      const targets = target ? [target] : this.#likelyTargets(found, spec);
      const governed = targets.find(({ kind, name: at }) =>
        kind === 'stage' ? (spec.stages ?? []).some((stage) => stage === at) : matchesAny(spec.aliases ?? [], at),
      );
      if (!governed || only?.has(check.name) === false) continue;
      const result = await this.#found(check, found, governed);
      if (result) results.push({ version, check: check.name, policy, ...result });
    }
    return results;
  }

  /** Where the version is likely meant to go when nobody says: where it is asked for, then where another is, to be compared with. */
  #likelyTargets({ registered, version }: VersionView, spec: PolicySpec): Target[] {
    const state = this.view.governed(registered.modelId);
    const asked = [...state.governance.promotions.values()].filter((one) => one.status === 'open' && one.version === version.version);
    const aliases = [...state.aliases.keys()].map((name): Target => ({ kind: 'alias', name }));
    const known = [...targetsOf(spec), ...aliases];
    return [...asked.map((one) => one.target), ...known.filter((one) => holderOf(state, one) !== undefined), ...known];
  }

  async #found(check: PolicyCheckSpec, version: VersionView, target: Target): Promise<Found | undefined> {
    switch (check.type) {
      case 'metric':
        return this.#metric(check, version, target);
      case 'signature':
        return this.#signature(check, version);
      case 'licence':
        return this.#licence(check, version);
      case 'modelCard':
        return this.#card(check, version);
      case 'servable':
        return this.#servable(version);
      default:
        throw new TypeError(`a ${check.type} check is reported, not evaluated`);
    }
  }

  async #metric(check: PolicyCheckSpec, { registered, version }: VersionView, target: Target): Promise<Found> {
    const metric = check.metric ?? '';
    const state = this.view.governed(registered.modelId);
    const holder = holderOf(state, target);
    const champion = holder === undefined || holder === version.version ? undefined : state.versions.get(holder);
    const against = champion?.version ?? null;
    const failed = (detail: string): Found => ({ passed: false, detail, evidence: { metric }, against });
    if (version.runId === null) return failed(`version ${version.version} names no run, so its ${metric} is not known`);
    const foreign = await this.#foreignRun(version);
    if (foreign !== undefined) return failed(foreign);
    const run = await this.sources.run(version.runId);
    if (!run) return failed(`run ${version.runId} of version ${version.version} is not known`);
    const championRun = champion?.runId ? await this.sources.run(champion.runId) : undefined;
    const asked = [{ runId: version.runId, experimentId: run.experimentId }];
    if (champion?.runId && championRun) asked.push({ runId: champion.runId, experimentId: championRun.experimentId });
    const values = await this.sources.metric(metric, asked);
    const value = values.get(version.runId);
    if (value === undefined || Number.isNaN(value)) return failed(`run ${version.runId} has no value of metric ${metric}`);
    if (!champion)
      return { passed: true, detail: `${metric} ${value}; nothing is there to compare it with`, evidence: { metric, value }, against };
    const baseline = champion.runId ? values.get(champion.runId) : undefined;
    if (baseline === undefined || Number.isNaN(baseline) || !championRun) {
      return failed(
        `version ${champion.version}, which is there now, has no value of metric ${metric}: log one to its run, or move it away`,
      );
    }
    const shared = sharedData(run, championRun);
    const evidence = { metric, value, baseline, data: shared.join(', ') || null };
    if ((check.sameData ?? true) && shared.length === 0) {
      return {
        passed: false,
        detail: `the runs of versions ${version.version} and ${champion.version} name no dataset in common (${dataOf(run)}; ${dataOf(championRun)})`,
        evidence,
        against,
      };
    }
    const gain = check.better === 'lower' ? baseline - value : value - baseline;
    const margin = check.margin ?? 0;
    const passed = margin === 0 ? gain > 0 : gain >= margin;
    const detail = `${metric} ${value} against ${baseline} of version ${champion.version}; ${check.better} is better${margin === 0 ? '' : `, by ${margin}`}`;
    return { passed, detail, evidence, against };
  }

  /** Why what is known of the run that a version names says nothing about it. */
  async #foreignRun(version: ModelVersion): Promise<string | undefined> {
    const maker = version.runId === null ? undefined : await madeBy(version, this.sources);
    if (maker === undefined || maker === version.runId) return undefined;
    return `version ${version.version} names run ${version.runId}, and its files were made by run ${maker}: register them again with that one`;
  }

  async #signature(check: PolicyCheckSpec, version: VersionView): Promise<Found> {
    const featureService = check.featureService ?? '';
    const given = this.sources.vector(featureService);
    if (!given)
      return { passed: false, detail: `FeatureService ${featureService} does not exist`, evidence: { featureService }, against: null };
    const { columns, problem } = await this.sources.modelInterface(version);
    if (columns === undefined)
      return { passed: false, detail: problem ?? 'its inputs are not known', evidence: { featureService }, against: null };
    const known = new Set(given);
    const missing = columns.filter((column) => !known.has(column) && !known.has(unqualified(column)));
    const evidence = { featureService, inputs: columns.length, missing: missing.join(', ') };
    if (missing.length === 0)
      return { passed: true, detail: `${featureService} gives all ${columns.length} inputs`, evidence, against: null };
    return { passed: false, detail: `${featureService} does not give ${missing.join(', ')}`, evidence, against: null };
  }

  async #servable({ registered, version }: VersionView): Promise<Found | undefined> {
    const verdict = await this.sources.serving(registered.modelId, version.version);
    if (!verdict) return undefined;
    const { servable, reason, place, runMs } = verdict;
    if (!servable) return { passed: false, detail: `no gateway can serve it: ${reason}`, evidence: {}, against: null };
    const detail = runMs === null ? 'a gateway can serve it' : `a gateway can serve it, ${runMs} ms a row`;
    return { passed: true, detail, evidence: { place, runMs }, against: null };
  }

  async #licence(check: PolicyCheckSpec, version: VersionView): Promise<Found> {
    const { licence } = await this.sources.card(version);
    if (licence === null) {
      return {
        passed: false,
        detail: 'no licence is named: set the tag "licence" of the version or the model',
        evidence: {},
        against: null,
      };
    }
    const passed = check.allowed === undefined || matchesAny(check.allowed, licence);
    const detail = passed ? licence : `${licence} is not one of ${(check.allowed ?? []).join(', ')}`;
    return { passed, detail, evidence: { licence }, against: null };
  }

  async #card(check: PolicyCheckSpec, version: VersionView): Promise<Found> {
    const sections = check.sections ?? ['description', 'trainingData', 'metrics'];
    const foreign = sections.some((section) => OF_THE_RUN.has(section)) ? await this.#foreignRun(version.version) : undefined;
    if (foreign !== undefined) return { passed: false, detail: foreign, evidence: {}, against: null };
    const gaps = (await this.sources.card(version)).gaps.filter((gap) => sections.includes(gap.section));
    const detail =
      gaps.length === 0 ? `no gap in ${sections.join(', ')}` : gaps.map(({ section, mend }) => `${section}: ${mend}`).join('; ');
    return { passed: gaps.length === 0, detail, evidence: { gaps: gaps.map(({ section }) => section).join(', ') }, against: null };
  }
}

/** Sections of a card that tell of the run a version names. */
const OF_THE_RUN: ReadonlySet<string> = new Set(['trainingData', 'parameters', 'metrics']);

function targetsOf(spec: { stages?: readonly string[]; aliases?: readonly string[] }): Target[] {
  const stages = (spec.stages ?? []).map((name): Target => ({ kind: 'stage', name }));
  return [...stages, ...(spec.aliases ?? []).map((name): Target => ({ kind: 'alias', name }))];
}

/** Datasets that both runs name, by name and digest, and training sets. */
function sharedData(a: RunFacts, b: RunFacts): string[] {
  const of = (run: RunFacts): string[] => [
    ...(run.datasets ?? []).map(({ name, digest }) => `${name}@${digest}`),
    ...(run.trainingSets ?? []).map((id) => `training set ${id}`),
  ];
  const other = new Set(of(b));
  return [...new Set(of(a))].filter((one) => other.has(one));
}

function dataOf(run: RunFacts): string {
  const named = (run.datasets ?? []).map(({ name, digest }) => `${name}@${digest}`);
  return `${run.name} names ${named.length === 0 ? 'none' : named.join(', ')}`;
}

/** A training set may qualify its columns by the view. */
function unqualified(column: string): string {
  return column.replace(/^.*?(__|:)/, '');
}
