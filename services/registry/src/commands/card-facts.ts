import type { ResourceCatalog } from '@millrace/resources';
import { momentText } from '@millrace/service';
import type { CardFacts, CardRun } from '../queries/model-card.js';
import type { RegistryView, VersionView } from '../queries/registry-view.js';
import type { RunValues } from '../queries/run-values.query.js';
import type { ModelInterface } from './model-inspector.js';
import type { RunFacts } from './run-artifacts.js';

export interface CardSources {
  readonly view: RegistryView;
  readonly catalog: Pick<ResourceCatalog, 'list'>;
  readonly run: (runId: string) => Promise<RunFacts | undefined>;
  readonly values: (run: { runId: string; experimentId: string }) => Promise<RunValues>;
  readonly modelInterface: (version: VersionView) => Promise<ModelInterface>;
  /** The key that signed the version's manifest. */
  readonly signedBy: (version: VersionView) => string | null;
}

/** Gathers what a version's card can say. */
export async function cardFacts(sources: CardSources, view: VersionView): Promise<CardFacts> {
  const { registered, version, aliases } = view;
  const [run, shape] = await Promise.all([cardRun(sources, version.runId), sources.modelInterface(view)]);
  const checks = sources.view.governed(registered.modelId).governance.checks.get(version.version)?.values() ?? [];
  return {
    name: registered.name,
    version: version.version,
    stage: version.stage,
    aliases,
    registeredBy: version.actor,
    registeredAt: momentText(version.createdAt),
    modelDescription: registered.description || null,
    description: version.description || null,
    tags: Object.fromEntries([...registered.tags, ...version.tags]),
    digest: version.digest,
    signedBy: sources.signedBy(view),
    flavours: shape.flavours,
    inputs: shape.inputs,
    outputs: shape.outputs,
    fileLicence: shape.licence ?? null,
    run,
    checks: [...checks].map(({ check, passed, detail, actor }) => ({ check, passed, detail, actor })),
    deployments: deploymentsOf(sources.catalog, view),
  };
}

async function cardRun(sources: CardSources, runId: string | null): Promise<CardRun | null> {
  const run = runId === null ? undefined : await sources.run(runId);
  if (runId === null || !run) return null;
  const { params, metrics } = await sources.values({ runId, experimentId: run.experimentId });
  return { runId, name: run.name, datasets: run.datasets ?? [], trainingSets: run.trainingSets ?? [], params, metrics };
}

/** Deployments that serve this version now, as their model or as that of a variant of their experiment. */
export function deploymentsOf(catalog: Pick<ResourceCatalog, 'list'>, { registered, version, aliases }: VersionView): string[] {
  const references = new Set([
    `models:/${registered.name}/${version.version}`,
    ...aliases.map((alias) => `models:/${registered.name}@${alias}`),
  ]);
  const compared = new Set(
    catalog
      .list('Experiment')
      .filter(({ spec }) => spec.variants.some((variant) => variant.model !== undefined && references.has(variant.model)))
      .map(({ name }) => name),
  );
  return catalog
    .list('Deployment')
    .filter(({ spec }) => references.has(spec.model) || (spec.experiment !== undefined && compared.has(spec.experiment)))
    .map(({ name }) => name);
}
