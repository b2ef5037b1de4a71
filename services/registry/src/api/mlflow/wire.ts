import { latestByStage, versionView, type ModelView, type VersionView } from '../../queries/registry-view.js';

export function modelJson(view: ModelView): object {
  const { registered, model, updatedAt } = view;
  const latest = latestByStage(model).map((version) => versionJson(versionView(view, version)));
  const aliases = Array.from(model.aliases, ([alias, version]) => ({ alias, version: String(version) }));
  return {
    name: registered.name,
    creation_timestamp: registered.createdAt,
    last_updated_timestamp: updatedAt,
    ...(registered.description === null ? {} : { description: registered.description }),
    ...(latest.length > 0 ? { latest_versions: latest } : {}),
    ...(registered.tags.size > 0 ? { tags: pairs(registered.tags) } : {}),
    ...(aliases.length > 0 ? { aliases } : {}),
  };
}

export function versionJson({ registered, version, aliases }: VersionView): object {
  return {
    name: registered.name,
    version: String(version.version),
    creation_timestamp: version.createdAt,
    last_updated_timestamp: version.updatedAt,
    user_id: version.actor,
    current_stage: version.stage,
    description: version.description ?? '',
    source: version.source,
    run_id: version.runId ?? '',
    status: 'READY',
    ...(version.modelId === undefined ? {} : { model_id: version.modelId }),
    ...(version.runLink === null ? {} : { run_link: version.runLink }),
    ...(version.tags.size > 0 ? { tags: pairs(version.tags) } : {}),
    ...(aliases.length > 0 ? { aliases } : {}),
  };
}

function pairs(entries: Iterable<readonly [string, string]>): object[] {
  return Array.from(entries, ([key, value]) => ({ key, value }));
}
