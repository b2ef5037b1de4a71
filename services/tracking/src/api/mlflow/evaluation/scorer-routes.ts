import { checkLength, invalid, MlflowError, type Fields, type MlflowRoute } from '@millrace/mlflow-protocol';
import { SCORERS, type Scorer, type Scorers, type ScorersCommand, type ScorerVersion } from '../../../domain/scorers/scorers.decider.js';
import type { ScorerRegistered, ScorersEvent } from '../../../domain/scorers/scorers.events.js';
import { give } from './command.js';
import { onlineScoringRoutes } from './online-scoring-routes.js';
import type { EvaluationApi } from './context.js';

const MOST_NAME = 256;
const MOST_BYTES = 200_000;

/** Scorers of experiments: kept in versions, as their clients write them. Nothing here runs them. */
export function scorerRoutes(api: EvaluationApi): MlflowRoute[] {
  const scorersOf = async (fields: Fields): Promise<{ experimentId: string; scorers: Scorers }> => {
    const experimentId = fields.requiredString('experiment_id');
    await api.experiment(experimentId);
    await api.views.scorers.upToDate();
    return { experimentId, scorers: api.views.scorers.one(experimentId) };
  };
  const named = async (fields: Fields) => {
    const { experimentId, scorers } = await scorersOf(fields);
    const name = fields.requiredString('name');
    const scorer = scorers.get(name);
    if (!scorer) throw notFound(`Scorer with name '${name}' not found for experiment ${experimentId}.`);
    return { experimentId, name, scorer };
  };
  return [
    {
      ...{ method: 'POST', path: 'scorers/register', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { experimentId } = await scorersOf(fields);
        const [name, serialized] = [fields.requiredString('name'), fields.requiredString('serialized_scorer')];
        checkLength('Scorer name', MOST_NAME, name);
        const size = Buffer.byteLength(serialized);
        if (size > MOST_BYTES) throw invalid(`Invalid serialized_scorer: it has ${size} bytes, at most ${MOST_BYTES} are kept.`);
        refuseCode(serialized);
        const metadata = api.metadata(request);
        const command: ScorersCommand = { type: 'RegisterScorer', scorerId: api.newId(metadata, 'scorer'), name, serialized };
        const event = await give<ScorersEvent>(api, { subject: `${SCORERS}/${experimentId}`, command, metadata, reply });
        const { version, scorerId } = event?.data as ScorerRegistered;
        const createdAt = api.views.scorers.one(experimentId).get(name)?.versions.get(version)?.createdAt ?? metadata.now;
        return { version, scorer_id: scorerId, experiment_id: experimentId, name, serialized_scorer: serialized, creation_time: createdAt };
      },
    },
    {
      ...{ method: 'GET', path: 'scorers/list', api: '3.0' },
      handle: async ({ fields }) => {
        const { experimentId, scorers } = await scorersOf(fields);
        const names = [...scorers.keys()].sort();
        return { scorers: names.map((name) => scorerJson(experimentId, name, latest(scorers.get(name) as Scorer))) };
      },
    },
    {
      ...{ method: 'GET', path: 'scorers/versions', api: '3.0' },
      handle: async ({ fields }) => {
        const { experimentId, name, scorer } = await named(fields);
        return { scorers: versionsOf(scorer).map((version) => scorerJson(experimentId, name, version)) };
      },
    },
    {
      ...{ method: 'GET', path: 'scorers/get', api: '3.0' },
      handle: async ({ fields }) => {
        const { experimentId, name, scorer } = await named(fields);
        const wanted = fields.integer('version');
        const version = wanted === undefined ? latest(scorer) : versionsOf(scorer).find((one) => one.version === wanted);
        if (!version) throw notFound(`Scorer with name '${name}' and version ${wanted} not found for experiment ${experimentId}.`);
        return { scorer: scorerJson(experimentId, name, version) };
      },
    },
    ...onlineScoringRoutes(api, named),
    {
      ...{ method: 'DELETE', path: 'scorers/delete', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { experimentId } = await scorersOf(fields);
        const command: ScorersCommand = {
          type: 'DeleteScorer',
          name: fields.requiredString('name'),
          version: fields.integer('version') ?? null,
        };
        await give(api, { subject: `${SCORERS}/${experimentId}`, command, metadata: api.metadata(request), reply });
        return undefined;
      },
    },
  ];
}

interface NumberedVersion extends ScorerVersion {
  readonly version: number;
  readonly scorerId: string;
}

function versionsOf({ scorerId, versions }: Scorer): NumberedVersion[] {
  return Array.from(versions, ([version, one]) => ({ ...one, version, scorerId })).sort((a, b) => a.version - b.version);
}

function latest(scorer: Scorer): NumberedVersion {
  return versionsOf(scorer).at(-1) as NumberedVersion;
}

function scorerJson(experimentId: string, name: string, { version, serialized, createdAt, scorerId }: NumberedVersion): object {
  return {
    ...{ experiment_id: Number(experimentId), scorer_name: name, scorer_version: version, serialized_scorer: serialized },
    ...{ creation_time: createdAt, scorer_id: scorerId },
  };
}

function notFound(message: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', message);
}

/**
 * A scorer that is a decorated function is source code, which who reads it would run. Clients refuse to read one, and with it the whole list of
 * an experiment's scorers; so it is refused here, as MLflow's server does.
 */
function refuseCode(serialized: string): void {
  let scorer: unknown;
  try {
    scorer = JSON.parse(serialized);
  } catch {
    throw invalid('serialized_scorer must be valid JSON');
  }
  if (holdsCode(scorer)) {
    throw invalid(
      'Custom scorer registration (using @scorer decorator) is disabled: it would be code that clients run when they read it. Keep the code in a ' +
        'source code repository and import it, or register built-in scorers or those of make_judge().',
    );
  }
}

function holdsCode(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, one]) => (key === 'call_source' && one !== null && one !== '') || holdsCode(one));
}
