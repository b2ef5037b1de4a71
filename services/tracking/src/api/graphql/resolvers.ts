import { Fields, isMlflowError, MlflowError, type FieldValues, type MlflowCall, type MlflowRoute } from '@millrace/mlflow-protocol';
import { GraphQLError, type GraphQLFieldResolver } from 'graphql';
import type { TrackingApi } from '../mlflow/context.js';
import { experimentJson } from '../mlflow/wire.js';
import type { NamedVersion } from '../../queries/registered-versions-view.js';

/** What one request's resolvers are made of. */
export interface GraphqlContext {
  readonly api: TrackingApi;
  readonly routes: ReadonlyMap<string, MlflowRoute>;
  readonly call: Pick<MlflowCall, 'request' | 'reply'>;
}

type Source = Readonly<Record<string, unknown>>;
type Resolver = GraphQLFieldResolver<Source | undefined, GraphqlContext, { input?: object | null; inputString?: string | null }>;

/** A root field is a question of the REST API under another name. */
const QUESTIONS: Readonly<Record<string, string>> = {
  mlflowGetExperiment: 'experiments/get',
  mlflowGetRun: 'runs/get',
  mlflowSearchRuns: 'runs/search',
  mlflowListArtifacts: 'artifacts/list',
  mlflowGetMetricHistoryBulkInterval: 'metrics/get-history-bulk-interval',
  mlflowSearchDatasets: 'experiments/search-datasets',
};

/** Fields that are more than a property of what the REST API answers, by type and name. */
const COMPUTED: Readonly<Record<string, Resolver>> = {
  'Query.test': (_source, { inputString }) => ({ output: inputString }),
  'Mutation.testMutation': (_source, { inputString }) => ({ output: inputString }),
  'MlflowRunExtension.experiment': (source, _input, { api }) => {
    const experiment = api.view.experiment(infoOf(source).experiment_id);
    return experiment && experimentJson(experiment);
  },
  'MlflowRunExtension.modelVersions': async (source, _input, { api }) => {
    await api.registered.upToDate();
    return api.registered.ofRun(infoOf(source).run_id).map(versionJson);
  },
  'MlflowMetricExtension.value': (source) => finite(source?.['value']),
  'MlflowMetricWithRunId.value': (source) => finite(source?.['value']),
  'MlflowFileInfo.fileSize': (source) => source?.['file_size'] ?? 0,
  'MlflowDatasetSummary.context': (source) => source?.['context'] ?? '',
};

/** How every field is found: a root field by its question, any other as the property of the same name in snake case. */
export const resolveField: Resolver = (source, args, context, info) => {
  const computed = COMPUTED[`${info.parentType.name}.${info.fieldName}`];
  if (computed) return computed(source, args, context, info);
  if (source !== undefined) return source[snake(info.fieldName)];
  const path = QUESTIONS[info.fieldName];
  const route = path === undefined ? undefined : context.routes.get(path);
  if (!route) throw new GraphQLError(`${info.fieldName} is not answered here`);
  return answer(route, new Fields(fieldsOf(args.input ?? {})), context);
};

async function answer(route: MlflowRoute, fields: Fields, { api, call }: GraphqlContext): Promise<object | undefined> {
  try {
    return await route.handle({ ...call, fields });
  } catch (error) {
    if (isMlflowError(error)) throw new GraphQLError(`${error.code}: ${error.message}`);
    api.onDefect(error, call.request);
    throw new GraphQLError(new MlflowError('INTERNAL_ERROR', 'Internal error; the server log names it.').message);
  }
}

function fieldsOf(input: object): FieldValues {
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [snake(name), value as unknown]));
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function infoOf(run: Source | undefined): { readonly run_id: string; readonly experiment_id: string } {
  return run?.['info'] as { run_id: string; experiment_id: string };
}

function finite(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function versionJson(version: NamedVersion): object {
  const { name, source, runId, userId, createdAt, updatedAt, stage, description, tags, runLink, aliases, loggedModelId } = version;
  return {
    ...{ name, version: String(version.version), source, run_id: runId, user_id: userId, status: 'READY', aliases },
    ...{ creation_timestamp: createdAt, last_updated_timestamp: updatedAt, current_stage: stage, description: description ?? '' },
    ...{ tags: Array.from(tags, ([key, value]) => ({ key, value })), run_link: runLink ?? '', model_id: loggedModelId },
  };
}
