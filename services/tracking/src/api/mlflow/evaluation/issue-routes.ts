import {
  checkLength,
  cursorOf,
  invalid,
  isAttribute,
  LISTED_COMPARATORS,
  matchesNumber,
  matchesText,
  MlflowError,
  pageAfter,
  parseFilter,
  type Fields,
  type FilterClause,
  type MlflowRoute,
} from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import { ISSUE, type Issue, type IssueCommand } from '../../../domain/issue/issue.decider.js';
import { maxResultsOf } from '../fields.js';
import { give } from './command.js';
import type { EvaluationApi } from './context.js';

const LIMITS = { name: 255, text: 10_000, word: 100, items: 100, perPage: 1000, byDefault: 100 } as const;
const STATUSES = ['pending', 'rejected', 'resolved'];
const SEVERITIES = ['not_an_issue', 'low', 'medium', 'high'];

/** Issues that people or judges found in the traces of an experiment. */
export function issueRoutes(api: EvaluationApi): MlflowRoute[] {
  const { issues } = api.views;
  const existing = async (request: FastifyRequest): Promise<Issue> => {
    const { issueId } = request.params as { issueId: string };
    await issues.upToDate();
    // What no id can be is no issue; it must not become a subject.
    const found = /^iss-[0-9a-f]{32}$/.test(issueId) ? issues.one(issueId) : null;
    if (!found) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Issue with ID '${issueId.slice(0, 100)}' not found.`);
    return found;
  };
  return [
    {
      ...{ method: 'POST', path: 'issues', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { id: experimentId } = await api.experiment(fields.requiredString('experiment_id'));
        const [name, description] = [fields.requiredString('name'), fields.requiredString('description')];
        checkLength('Issue name', LIMITS.name, name);
        checkLength('Issue description', LIMITS.text, description);
        const metadata = api.metadata(request);
        const issueId = `iss-${api.newId(metadata, ISSUE)}`;
        const command: IssueCommand = {
          ...{ type: 'CreateIssue', issueId, experimentId, name, description, status: oneOf(fields, 'status', STATUSES) ?? 'pending' },
          ...{
            severity: oneOf(fields, 'severity', SEVERITIES),
            rootCauses: texts(fields, 'root_causes'),
            categories: texts(fields, 'categories'),
          },
          ...{ sourceRunId: word(fields, 'source_run_id'), createdBy: word(fields, 'created_by') },
        };
        await give(api, { subject: `${ISSUE}/${issueId}`, command, metadata, reply });
        return { issue: issueJson(issues.one(issueId) as Issue) };
      },
    },
    {
      ...{ method: 'POST', path: 'issues/search', api: '3.0' },
      handle: async ({ fields }) => {
        const experimentId = fields.string('experiment_id') || undefined;
        const tests = parseFilter(fields.string('filter_string') ?? '').map(testOf);
        const limit = maxResultsOf(fields, LIMITS.byDefault, LIMITS.perPage);
        const cursor = cursorOf(fields.string('page_token'));
        await issues.upToDate();
        const found = [...issues.all()]
          .filter((one) => one !== null)
          .filter((one) => (experimentId === undefined || one.experimentId === experimentId) && tests.every((test) => test(one)))
          .sort((a, b) => b.createdAt - a.createdAt || (a.issueId < b.issueId ? -1 : 1));
        const page = pageAfter(found, cursor, limit, ({ issueId }) => issueId);
        return { issues: page.items.map(issueJson), next_page_token: page.nextPageToken ?? '' };
      },
    },
    {
      ...{ method: 'GET', path: 'issues/:issueId', api: '3.0' },
      handle: async ({ request }) => ({ issue: issueJson(await existing(request)) }),
    },
    {
      ...{ method: 'PATCH', path: 'issues/:issueId', api: '3.0' },
      handle: async ({ fields, request, reply }) => {
        const { issueId } = await existing(request);
        const [name, description] = [fields.string('name') || null, fields.string('description') || null];
        checkLength('Issue name', LIMITS.name, name ?? '');
        checkLength('Issue description', LIMITS.text, description ?? '');
        const settled = { status: oneOf(fields, 'status', STATUSES), severity: oneOf(fields, 'severity', SEVERITIES) };
        const command: IssueCommand = { type: 'UpdateIssue', name, description, ...settled };
        await give(api, { subject: `${ISSUE}/${issueId}`, command, metadata: api.metadata(request), reply });
        return { issue: issueJson(await existing(request)) };
      },
    },
  ];
}

function oneOf(fields: Fields, name: string, known: readonly string[]): string | null {
  const value = fields.string(name) || null;
  if (value !== null && !known.includes(value)) {
    throw invalid(`Invalid value '${value.slice(0, 100)}' for parameter '${name}' supplied. Valid values are ${known.join(', ')}.`);
  }
  return value;
}

function word(fields: Fields, name: string): string | null {
  const value = fields.string(name) || null;
  if (value !== null) checkLength(`Issue ${name}`, LIMITS.word, value);
  return value;
}

function texts(fields: Fields, name: string): readonly string[] {
  const items = fields.strings(name);
  if (items.length > LIMITS.items) throw invalid(`An issue has at most ${LIMITS.items} ${name}, got ${items.length}.`);
  for (const item of items) checkLength(`Issue ${name}`, LIMITS.text, item);
  return items;
}

const LISTED: readonly string[] = LISTED_COMPARATORS;
const TEXTS: Readonly<Record<string, (issue: Issue) => string>> = {
  status: ({ status }) => status,
  severity: ({ severity }) => severity ?? '',
  name: ({ name }) => name,
  source_run_id: ({ sourceRunId }) => sourceRunId ?? '',
  created_by: ({ createdBy }) => createdBy ?? '',
};
const TIMES: Readonly<Record<string, (issue: Issue) => number>> = {
  created_timestamp: ({ createdAt }) => createdAt,
  last_updated_timestamp: ({ updatedAt }) => updatedAt,
};

function testOf({ entity, key, comparator, value }: FilterClause): (issue: Issue) => boolean {
  const isOwn = isAttribute(entity);
  const [text, time] = [Object.hasOwn(TEXTS, key) ? TEXTS[key] : undefined, Object.hasOwn(TIMES, key) ? TIMES[key] : undefined];
  if (isOwn && text && value.kind !== 'number' && LISTED.includes(comparator)) {
    return (one) => matchesText(text(one), comparator, value);
  }
  if (isOwn && time && value.kind === 'number') return (one) => matchesNumber(time(one), comparator, Number(value.text));
  if (isOwn && (text || time)) throw invalid(`Invalid comparison with '${key}': '${comparator}' and a ${value.kind} do not fit it.`);
  throw invalid(
    `Invalid attribute key '${key}' specified. Valid keys are '${[...Object.keys(TEXTS), ...Object.keys(TIMES)].join("', '")}'`,
  );
}

function issueJson(issue: Issue): object {
  return {
    ...{
      issue_id: issue.issueId,
      experiment_id: issue.experimentId,
      name: issue.name,
      description: issue.description,
      status: issue.status,
    },
    ...(issue.severity === null ? {} : { severity: issue.severity }),
    ...{ root_causes: issue.rootCauses, categories: issue.categories },
    ...(issue.sourceRunId === null ? {} : { source_run_id: issue.sourceRunId }),
    ...(issue.createdBy === null ? {} : { created_by: issue.createdBy }),
    ...{ created_timestamp: issue.createdAt, last_updated_timestamp: issue.updatedAt },
  };
}
