import { checkEvent, type tracking } from '@millrace/contracts';
import { canonical } from '@millrace/kernel';
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { experiments, EXPERIMENTS, type Experiments } from './domain/experiments/experiments.decider.js';
import type * as experimentEvents from './domain/experiments/experiments.events.js';
import { fromWire, toWire, type MetricPointsLogged } from './domain/metric-points/metric-points.js';
import { run, type RunState } from './domain/run/run.decider.js';
import type * as runEvents from './domain/run/run.events.js';

/** Compiles only when each of the two can stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

/** The domain's own interfaces are the schemas' types, both ways; a difference fails the type check. */
const SAME: readonly true[] = [
  true satisfies Same<tracking.ExperimentCreated, experimentEvents.ExperimentCreated>,
  true satisfies Same<tracking.ExperimentRenamed, experimentEvents.ExperimentRenamed>,
  true satisfies Same<tracking.ExperimentDeleted, experimentEvents.ExperimentDeleted>,
  true satisfies Same<tracking.ExperimentRestored, experimentEvents.ExperimentRestored>,
  true satisfies Same<tracking.ExperimentTagged, experimentEvents.ExperimentTagged>,
  true satisfies Same<tracking.ExperimentUntagged, experimentEvents.ExperimentUntagged>,
  true satisfies Same<tracking.RunCreated, runEvents.RunCreated>,
  true satisfies Same<tracking.RunUpdated, runEvents.RunUpdated>,
  true satisfies Same<tracking.RunFinished, runEvents.RunFinished>,
  true satisfies Same<tracking.RunAnnotated, runEvents.RunAnnotated>,
  true satisfies Same<tracking.RunUntagged, runEvents.RunUntagged>,
  true satisfies Same<tracking.DatasetsLogged, runEvents.DatasetsLogged>,
  true satisfies Same<tracking.MetricPointsLogged, MetricPointsLogged>,
];

const SCHEMAS = join(import.meta.dirname, '../../../schemas/tracking');

/** Every golden sample of the domain: one line each of `<Event>/v<N>.golden.jsonl`. */
const samples = readdirSync(SCHEMAS, { recursive: true, encoding: 'utf8' })
  .map((path) => /^([A-Za-z]+)\/v(\d+)\.golden\.jsonl$/.exec(path))
  .filter((match) => match !== null)
  .flatMap(([file, type, version]) =>
    readFileSync(join(SCHEMAS, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => ({ type: type as string, version: Number(version), data: JSON.parse(line) as never })),
  );

describe('the tracking events and their schemas', () => {
  test('are the same types', () => {
    expect(SAME).not.toContain(false);
  });

  test.each(samples)('$type.v$version $data keeps to its schema and folds', ({ type, version, data }) => {
    expect(checkEvent('tracking', type, version, data)).toBeUndefined();
    const context = { subject: 'run/r', sequence: 1, time: 1, actor: 'a' };
    if (type === 'MetricPointsLogged') {
      const { points } = data as MetricPointsLogged;
      expect(points.map(fromWire).map(toWire)).toEqual(points);
    } else if (type.startsWith('Experiment')) {
      const fold = (): Experiments =>
        experiments.evolve(experiments.initial(), { type, data } as never, { ...context, subject: EXPERIMENTS });
      expect(canonical(fold())).toBe(canonical(fold()));
    } else {
      const created = samples.find((sample) => sample.type === 'RunCreated');
      const base = (): RunState => run.evolve(run.initial(), created as never, context);
      const fold = (): RunState => run.evolve(base(), { type, data } as never, { ...context, sequence: 2 });
      expect(canonical(fold())).toBe(canonical(fold()));
    }
  });

  test('every event has a sample', () => {
    const types = new Set(samples.map((sample) => sample.type));
    expect(readdirSync(SCHEMAS, { withFileTypes: true }).filter((entry) => entry.isDirectory() && /^[A-Z]/.test(entry.name)).length).toBe(
      types.size,
    );
  });
});
