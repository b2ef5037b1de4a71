import {
  decodedSafely,
  invalid,
  isAttribute,
  isNullTest,
  isOfTag,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  NUMERIC_COMPARATORS,
  optionalTextTest,
  TEXT_COMPARATORS,
  cursorOf,
  pageAfter,
  parseFilter,
  parseOrderBy,
  type Fields,
  type FilterClause,
  type MlflowRoute,
} from '@millrace/mlflow-protocol';
import type { Experiment } from '../../domain/experiments/experiments.decider.js';
import { searchExperiments, type ExperimentOrderKey } from '../../queries/search-experiments.query.js';
import { ARTIFACT_ROOT, type TrackingApi } from './context.js';
import { experimentNotFound, valueOf } from './errors.js';
import { experimentTagOf, maxResultsOf, viewTypeOf } from './fields.js';
import { LIMITS } from './limits.js';
import { experimentJson } from './wire.js';

export function experimentRoutes(api: TrackingApi): MlflowRoute[] {
  const { view, commands } = api;
  const search = async ({ fields }: { fields: Fields }) => {
    const wanted = searchOf(fields);
    await view.upToDate();
    const page = pageAfter(searchExperiments(view.experiments(), wanted), wanted.cursor, wanted.limit, ({ id }) => id);
    return { experiments: page.items.map(experimentJson), ...(page.nextPageToken ? { next_page_token: page.nextPageToken } : {}) };
  };
  return [
    {
      method: 'POST',
      path: 'experiments/create',
      handle: async ({ fields, request, reply }) => {
        const name = experimentNameOf(fields, 'name');
        const artifactLocation = artifactLocationOf(fields);
        const tags = Object.fromEntries(
          fields.messages('tags').map((tag) => {
            const { key, value } = experimentTagOf(tag);
            return [key, value];
          }),
        );
        const command = { type: 'CreateExperiment', name, artifactLocation, artifactRoot: ARTIFACT_ROOT, tags } as const;
        const { value: event, positions } = valueOf(await commands.experiments(command, api.metadata(request)));
        api.sendPosition(reply, positions);
        return { experiment_id: event?.data.experimentId };
      },
    },
    {
      method: 'GET',
      path: 'experiments/get',
      handle: async ({ fields }) => {
        const id = fields.requiredString('experiment_id');
        await view.upToDate();
        const experiment = view.experiment(id);
        if (!experiment) throw experimentNotFound(id);
        return { experiment: experimentJson(experiment) };
      },
    },
    {
      method: 'GET',
      path: 'experiments/get-by-name',
      handle: async ({ fields }) => {
        const name = fields.requiredString('experiment_name');
        await view.upToDate();
        const experiment = view.experimentNamed(name);
        if (!experiment) throw experimentNotNamed(name);
        return { experiment: experimentJson(experiment) };
      },
    },
    { method: 'GET', path: 'experiments/search', handle: search },
    { method: 'POST', path: 'experiments/search', handle: search },
    command(api, 'experiments/update', (fields) => {
      const experimentId = fields.requiredString('experiment_id');
      return { type: 'RenameExperiment', experimentId, name: experimentNameOf(fields, 'new_name') };
    }),
    command(api, 'experiments/delete', (fields) => ({ type: 'DeleteExperiment', experimentId: fields.requiredString('experiment_id') })),
    command(api, 'experiments/restore', (fields) => ({ type: 'RestoreExperiment', experimentId: fields.requiredString('experiment_id') })),
    command(api, 'experiments/set-experiment-tag', (fields) => {
      const experimentId = fields.requiredString('experiment_id');
      return { type: 'TagExperiment', experimentId, ...experimentTagOf(fields) };
    }),
    command(api, 'experiments/delete-experiment-tag', (fields) => {
      const experimentId = fields.requiredString('experiment_id');
      return { type: 'UntagExperiment', experimentId, key: fields.requiredString('key') };
    }),
  ];
}

type ExperimentCommand = Parameters<TrackingApi['commands']['experiments']>[0];

/** An endpoint that gives one command and answers nothing. */
function command(api: TrackingApi, path: string, parse: (fields: Fields) => ExperimentCommand): MlflowRoute {
  return {
    method: 'POST',
    path,
    handle: async ({ fields, request, reply }) => {
      const { positions } = valueOf(await api.commands.experiments(parse(fields), api.metadata(request)));
      api.sendPosition(reply, positions);
      return undefined;
    },
  };
}

/** As MLflow 3 bounds it, in its words, which speak of `name` for `new_name` too; 2.9 has no bound, so a long name that is there can be asked for and brought along. */
function experimentNameOf(fields: Fields, field: 'name' | 'new_name'): string {
  const name = fields.requiredString(field);
  if (name.length > LIMITS.experimentNameLength && [...name].length > LIMITS.experimentNameLength)
    throw invalid(`'name' exceeds the maximum length of ${LIMITS.experimentNameLength} characters`);
  return name;
}

function experimentNotNamed(name: string): Error {
  const error = experimentNotFound(name);
  error.message = `Could not find experiment with name '${name}'`;
  return error;
}

function artifactLocationOf(fields: Fields): string | null {
  const location = fields.string('artifact_location') || null;
  if (location?.startsWith('runs:')) throw invalid(`Artifact location cannot be a runs:/ URI. Given: '${location}'`);
  if (location !== null && /[?#]/.test(location)) {
    throw invalid(`Invalid artifact_location '${location}': it cannot hold a query or a fragment.`);
  }
  if (location !== null && /(^|\/)\.\.(\/|$)/.test(decodedSafely(location))) {
    throw invalid(`Invalid artifact_location '${location}': it cannot hold '..'.`);
  }
  return location;
}

const ORDER_KEYS: readonly ExperimentOrderKey[] = ['name', 'experiment_id', 'creation_time', 'last_update_time'];

function searchOf(fields: Fields) {
  const viewType = viewTypeOf(fields, 'view_type');
  const tests = parseFilter(fields.string('filter') ?? '').map(testOf);
  const orders = fields.strings('order_by').map((text) => {
    const { entity, key, ascending } = parseOrderBy(text);
    const known = ORDER_KEYS.find((one) => one === key);
    if (!known || !isAttribute(entity)) throw invalid(`Invalid order_by key '${text}'. Valid keys are ${ORDER_KEYS.join(', ')}.`);
    return { key: known, ascending };
  });
  return {
    orders,
    limit: maxResultsOf(fields, LIMITS.experimentsByDefault, LIMITS.experimentsPerPage),
    cursor: cursorOf(fields.string('page_token')),
    matches: (experiment: Experiment) =>
      (viewType === 'ALL' || experiment.deleted === (viewType === 'DELETED_ONLY')) && tests.every((test) => test(experiment)),
  };
}

function testOf(clause: FilterClause): (experiment: Experiment) => boolean {
  if (isOfTag(clause)) {
    const test = optionalTextTest(clause, TEXT_COMPARATORS);
    return ({ tags }) => test(tags.get(clause.key));
  }
  const { entity, key, comparator, value } = clause;
  const wrongComparator = () => invalid(`Invalid comparator '${comparator}' for '${key}' in the filter of experiments.`);
  if (!isAttribute(entity)) throw invalid(`Invalid entity type '${entity}'. Valid values are attribute, tag.`);
  const allows = (comparators: readonly string[]): boolean => comparators.includes(comparator);
  if (isNullTest(comparator)) throw invalid(`Invalid comparator '${comparator}' for '${key}': it is only supported for tags.`);
  switch (key) {
    case 'experiment_id':
      if (!allows(LISTED_COMPARATORS)) throw wrongComparator();
      if (value.kind === 'number') throw invalid(`Expected a quoted string value for attributes.`);
      return ({ id }) => matchesText(id, comparator, value);
    case 'name':
      if (!allows(TEXT_COMPARATORS)) throw wrongComparator();
      if (value.kind !== 'string') throw invalid(`Expected a quoted string value for attributes.`);
      return ({ name }) => matchesText(name, comparator, value);
    case 'creation_time':
    case 'last_update_time': {
      if (value.kind !== 'number') throw invalid(`Expected numeric value type for numeric attribute: ${key}.`);
      if (!allows(NUMERIC_COMPARATORS)) throw wrongComparator();
      const time = key === 'creation_time' ? (one: Experiment) => one.createdAt : (one: Experiment) => one.updatedAt;
      return (experiment) => matchesNumber(time(experiment), comparator, Number(value.text));
    }
    default:
      throw invalid(
        `Invalid attribute key '${key}' specified. Valid keys are 'experiment_id', 'name', 'creation_time', 'last_update_time'`,
      );
  }
}
