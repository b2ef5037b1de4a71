import type { Clock, Position } from '@millrace/kernel';
import { AT_LEAST, jsonOf, ProblemError, sendPosition, type ContentDoc, type JsonSchema } from '@millrace/service';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Experiment } from '../../domain/experiment/experiment.js';
import type { OutcomeRecorded, UnitExposed } from '../../domain/experiment/facts.js';
import type { ExperimentResults } from '../../queries/experiment-results.query.js';
import { ASSIGNMENTS_ANSWER, NO_EXPERIMENT, RECORDED_ANSWER, RESULTS_ANSWER } from './answers.js';
import { ASSIGNMENT_REQUEST, EXPOSURE, OUTCOME } from './bodies.js';
import { doc } from './doc.js';
import { parseExposure, parseOutcome, type ParsedFact, type TimedFact } from './parse-facts.js';
import { parseLines } from './parse-lines.js';

/** Units, exposures or outcomes of one request at most. */
const MAX_ITEMS = 10_000;

export interface ExperimentRoutesOptions {
  /** The experiment as applied now and its assignment; waits for what the request says must be passed. */
  readonly find: (
    name: string,
    request: FastifyRequest,
  ) => Promise<{ experiment: Experiment; variantOf: (unit: string) => string | null } | undefined>;
  /** Whether a Rollout has the name; outcomes are told for it as for an experiment. */
  readonly isRollout: (name: string) => boolean;
  readonly expose: (facts: readonly TimedFact<UnitExposed>[], traceparent: string | undefined) => Promise<readonly Position[]>;
  readonly measure: (facts: readonly TimedFact<OutcomeRecorded>[], traceparent: string | undefined) => Promise<readonly Position[]>;
  /** Waits until everything on the log counts, then estimates. */
  readonly results: (experiment: Experiment, level: number) => Promise<ExperimentResults>;
  readonly clock: Clock;
}

const listOf = (items: JsonSchema): ContentDoc => ({
  'application/json': { type: 'array', items, maxItems: MAX_ITEMS },
  'application/x-ndjson': 'text',
});

type Named = { Params: { name: string }; Querystring: { level?: string } };

/** `/api/v1/experiments/{name}/...`: assignments, exposures, outcomes, results. */
export function experimentRoutes(scope: FastifyInstance, options: ExperimentRoutesOptions): void {
  const found = async (request: FastifyRequest<Named>) => {
    const running = await options.find(request.params.name, request);
    if (!running)
      throw new ProblemError(
        404,
        'MR_EXPERIMENTATION_EXPERIMENT_NOT_FOUND',
        `no experiment ${JSON.stringify(request.params.name)} is applied`,
      );
    return running;
  };

  const assigning = doc('Assigns units to the variants of an experiment.', {
    body: jsonOf(ASSIGNMENT_REQUEST),
    answer: jsonOf(ASSIGNMENTS_ANSWER),
    errors: NO_EXPERIMENT,
  });
  scope.post<Named>('/api/v1/experiments/:name/assignments', assigning, async (request) => {
    const { experiment, variantOf } = await found(request);
    const units = readUnits(request.body);
    return { experiment: experiment.name, unit: experiment.unit, assignments: units.map((unit) => ({ unit, variant: variantOf(unit) })) };
  });

  const recording = { answer: jsonOf(RECORDED_ANSWER), statuses: { 202: 'They are on the log.' } };
  scope.post<Named>(
    '/api/v1/experiments/:name/exposures',
    doc('Records which units met which variant.', { body: listOf(EXPOSURE), ...recording, errors: NO_EXPERIMENT }),
    async (request, reply) => {
      const { experiment, variantOf } = await found(request);
      const names = new Set(experiment.variants.map((variant) => variant.name));
      const facts = readFacts(request.body, (value) => parseExposure(experiment.name, value, options.clock.now(), variantOf));
      const stranger = facts.findIndex((fact) => !names.has(fact.data.variant));
      if (stranger >= 0) throw invalid(stranger, `${JSON.stringify(facts[stranger]?.data.variant)} is no variant of ${experiment.name}`);
      return recorded(reply, await options.expose(facts, request.traceparent));
    },
  );

  scope.post<Named>(
    '/api/v1/experiments/:name/outcomes',
    doc('Records outcomes of units, of an experiment or a rollout.', {
      body: listOf(OUTCOME),
      ...recording,
      errors: { 404: 'No such Experiment or Rollout is applied.' },
    }),
    async (request, reply) => {
      const { name } = request.params;
      if (!(await options.find(name, request)) && !options.isRollout(name))
        throw new ProblemError(
          404,
          'MR_EXPERIMENTATION_EXPERIMENT_NOT_FOUND',
          `no Experiment or Rollout ${JSON.stringify(name)} is applied`,
        );
      const facts = readFacts(request.body, (value) => parseOutcome(name, value, options.clock.now()));
      return recorded(reply, await options.measure(facts, request.traceparent));
    },
  );

  const estimating = doc('Estimates what an experiment has shown.', {
    query: { level: { type: 'number', description: 'Of confidence, between 0 and 1; 0.95 unless given.' }, ...AT_LEAST },
    answer: jsonOf(RESULTS_ANSWER),
    errors: NO_EXPERIMENT,
  });
  scope.get<Named>('/api/v1/experiments/:name/results', estimating, async (request) => {
    const { experiment } = await found(request);
    const level = request.query.level === undefined ? 0.95 : Number(request.query.level);
    if (!(level > 0 && level < 1)) throw new ProblemError(400, 'MR_EXPERIMENTATION_LEVEL_INVALID', 'level must lie between 0 and 1');
    return options.results(experiment, level);
  });
}

function recorded(reply: FastifyReply, positions: readonly Position[]): FastifyReply {
  sendPosition(reply, lastPerPartition(positions));
  return reply.code(202).send({ recorded: positions.length });
}

/** What a later query has to wait for; the header stays short however many facts a request holds. */
function lastPerPartition(positions: readonly Position[]): Position[] {
  const last = new Map<number, Position>();
  for (const position of positions) {
    const known = last.get(position.partition);
    if (!known || known.offset < position.offset) last.set(position.partition, position);
  }
  return [...last.values()];
}

function readUnits(body: unknown): string[] {
  const [value] = parseLines(bytesOf(body)) as [{ units?: unknown } | undefined];
  const units = value?.units;
  if (!Array.isArray(units) || units.length > MAX_ITEMS || !units.every((unit) => typeof unit === 'string'))
    throw new ProblemError(400, 'MR_EXPERIMENTATION_UNITS_INVALID', `send {"units": [...]} with at most ${MAX_ITEMS} strings`);
  return units;
}

function readFacts<T>(body: unknown, parse: (value: unknown) => ParsedFact<T>): TimedFact<T>[] {
  const values = parseLines(bytesOf(body));
  if (values.length > MAX_ITEMS)
    throw new ProblemError(413, 'MR_EXPERIMENTATION_TOO_MANY', `${values.length} items; send at most ${MAX_ITEMS} a request`);
  return values.map((value, index) => {
    const parsed = parse(value);
    if (!parsed.ok) throw invalid(index, parsed.reason);
    return parsed.fact;
  });
}

function invalid(index: number, reason: string): ProblemError {
  return new ProblemError(400, 'MR_EXPERIMENTATION_FACT_INVALID', `item ${index}: ${reason}`);
}

function bytesOf(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}
