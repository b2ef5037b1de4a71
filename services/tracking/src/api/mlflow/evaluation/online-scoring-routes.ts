import { checkLength, invalid, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import { SCORERS, type Scorer, type ScorersCommand } from '../../../domain/scorers/scorers.decider.js';
import { traceCriteriaOf } from '../traces/trace-search.js';
import { give } from './command.js';
import type { EvaluationApi } from './context.js';

const MOST_FILTER = 10_000;
/** Where the clients there are write a scorer's model. */
const MODEL_HOLDERS = ['instructions_judge_pydantic_data', 'builtin_scorer_pydantic_data', 'third_party_scorer_data'];

type Named = (fields: Fields) => Promise<{ readonly experimentId: string; readonly name: string; readonly scorer: Scorer }>;

/** How much of the new traces scorers are to judge: kept for the clients and jobs that ask. Nothing here runs scorers. */
export function onlineScoringRoutes(api: EvaluationApi, named: Named): MlflowRoute[] {
  return [
    {
      // Every client asks for these with the scorers themselves.
      ...{ method: 'GET', path: 'scorers/online-configs', api: '3.0' },
      handle: async ({ fields }) => {
        const wanted = new Set(fields.strings('scorer_ids'));
        await api.views.scorers.upToDate();
        const configs: object[] = [];
        for (const [experimentId, scorers] of api.views.scorers.entries()) {
          for (const scorer of scorers.values())
            if (wanted.has(scorer.scorerId) && scorer.online) configs.push(configJson(experimentId, scorer, scorer.online));
        }
        return { configs };
      },
    },
    {
      ...{ method: 'PUT', path: 'scorers/online-config', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { experimentId, name, scorer } = await named(fields);
        const sampleRate = fields.requiredDouble('sample_rate');
        if (!(sampleRate >= 0 && sampleRate <= 1)) throw invalid(`Invalid sample_rate ${sampleRate}: it is a number from 0 to 1.`);
        const filterString = fields.string('filter_string') ?? null;
        checkLength('filter_string', MOST_FILTER, filterString ?? '');
        // What cannot be read now would be told to whoever judges traces with it.
        if (filterString) traceCriteriaOf(filterString);
        if (sampleRate > 0 && !callsGateway(scorer)) {
          throw invalid(`The scorer '${name}' judges no new traces: its model is not one of the gateway, as in gateway:/<endpoint>.`);
        }
        const metadata = api.metadata(request);
        const online = { configId: api.newId(metadata, 'online-scoring'), sampleRate, filterString };
        const command: ScorersCommand = { type: 'ConfigureOnlineScoring', name, ...online };
        await give(api, { subject: `${SCORERS}/${experimentId}`, command, metadata, reply });
        return { config: configJson(experimentId, scorer, online) };
      },
    },
  ];
}

function configJson(experimentId: string, { scorerId }: Scorer, online: NonNullable<Scorer['online']>): object {
  const { configId, sampleRate, filterString } = online;
  return {
    ...{ online_scoring_config_id: configId, scorer_id: scorerId, sample_rate: sampleRate },
    ...{ filter_string: filterString, experiment_id: experimentId },
  };
}

/** Whether the latest version names a model of the gateway. */
function callsGateway({ versions, lastVersion }: Scorer): boolean {
  const latest = versions.get(lastVersion) ?? [...versions.values()].at(-1);
  try {
    return modelOf(JSON.parse(latest?.serialized ?? 'null'))?.startsWith('gateway:/') ?? false;
  } catch {
    return false;
  }
}

function modelOf(serialized: unknown): string | undefined {
  if (typeof serialized !== 'object' || serialized === null) return undefined;
  const fields = serialized as Readonly<Record<string, { readonly model?: unknown; readonly base_judge?: unknown } | null | undefined>>;
  const holder = MODEL_HOLDERS.map((name) => fields[name]).find((one) => one);
  if (holder) return typeof holder.model === 'string' ? holder.model : undefined;
  const remembering = fields['memory_augmented_judge_data'];
  return remembering ? modelOf(remembering.base_judge) : undefined;
}
