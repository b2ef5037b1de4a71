import { TOPICS } from '@millrace/contracts';
import type { EventLog, LoggedFact } from '@millrace/event-log';
import { canonical, type Clock, type Ids, type Position, type Scheduler } from '@millrace/kernel';
import { migrate, offlineStoreMigrations, type OfflineStore, type TableProjection } from '@millrace/offline-store';
import {
  awaitPosition,
  CLOCK,
  CONFIG,
  EVENT_LOG,
  Facts,
  IDS,
  OFFLINE_STORE,
  rawRoutes,
  Resources,
  SCHEDULER,
  tableBarrier,
  TableProjections,
  Topics,
  type Config,
} from '@millrace/service';
import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { TimedFact } from './api/rest/parse-facts.js';
import { experimentRoutes } from './api/rest/experiments.routes.js';
import { experimentationConfig } from './config.js';
import type { Experiment } from './domain/experiment/experiment.js';
import type { OutcomeRecorded, UnitExposed } from './domain/experiment/facts.js';
import { Experiments } from './experiments.js';
import { decodeExposure, exposureRow } from './projections/exposures.projection.js';
import { decodeOutcome, outcomeRow } from './projections/outcomes.projection.js';
import { experimentResults, type ExperimentResults } from './queries/experiment-results.query.js';

/** Assigns units to variants, takes exposures and outcomes, and says what an experiment has shown. */
@Module({})
export class ExperimentationModule implements OnModuleInit {
  #exposures: TableProjection<LoggedFact<UnitExposed>> | undefined;
  #outcomes: TableProjection<LoggedFact<OutcomeRecorded>> | undefined;

  constructor(
    @Inject(EVENT_LOG) private readonly log: EventLog,
    @Inject(OFFLINE_STORE) private readonly store: OfflineStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(IDS) private readonly ids: Ids,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(Topics) private readonly topics: Topics,
    @Inject(Resources) private readonly resources: Resources,
    @Inject(TableProjections) private readonly projections: TableProjections,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.topics.ensure(TOPICS.exposures);
    await this.topics.ensure(TOPICS.outcomes);
    await migrate(this.store, offlineStoreMigrations);
    await migrate(this.store, { name: 'experimentation', directory: new URL('./migrations/', import.meta.url) });
    this.#exposures = await this.projections.add({
      name: 'experimentation.exposures',
      topic: TOPICS.exposures.name,
      table: 'millrace.exposures',
      shared: true,
      decode: decodeExposure,
      toRows: exposureRow,
    });
    this.#outcomes = await this.projections.add({
      name: 'experimentation.outcomes',
      topic: TOPICS.outcomes.name,
      table: 'millrace.outcomes',
      shared: true,
      decode: decodeOutcome,
      toRows: outcomeRow,
    });
    const experiments = new Experiments(this.resources.catalog);
    rawRoutes(this.http, { body: 'buffer' }, (scope) =>
      experimentRoutes(scope, {
        find: async (name, request) => {
          const readers = [this.resources.log, this.#exposures, this.#outcomes].filter((reader) => reader !== undefined);
          await awaitPosition(request, ...readers);
          return experiments.get(name);
        },
        isRollout: (name) => this.resources.catalog.get('Rollout', name) !== undefined,
        expose: (facts, traceparent) => this.#append(TOPICS.exposures.name, 'UnitExposed', facts, traceparent),
        measure: (facts, traceparent) => this.#append(TOPICS.outcomes.name, 'OutcomeRecorded', facts, traceparent),
        results: (experiment, level) => this.#results(experiment, level),
        clock: this.clock,
      }),
    );
  }

  /** A fact told twice has the same id: the client's own, or one derived from its content. */
  #append(
    topic: string,
    type: string,
    facts: readonly TimedFact<{ readonly unit: string }>[],
    traceparent: string | undefined,
  ): Promise<readonly Position[]> {
    return this.facts.append(
      topic,
      facts.map(({ id, time, data }) => ({
        key: data.unit,
        type,
        domain: 'experimentation',
        subject: `unit/${data.unit}`,
        id: id ?? this.ids.derived(canonical([time, data]), type),
        time,
        data,
      })),
      traceparent,
    );
  }

  async #results(experiment: Experiment, level: number): Promise<ExperimentResults> {
    const { resultsDeadlineMs } = this.config.of(experimentationConfig);
    await Promise.all([this.#exposures?.barrier(resultsDeadlineMs), this.#outcomes?.barrier(resultsDeadlineMs)]);
    if (experiment.metrics.some((metric) => metric.source === 'label')) {
      const options = { log: this.log, store: this.store, scheduler: this.scheduler, now: () => this.clock.now() };
      await tableBarrier(options, TOPICS.predictions.name, 'millrace.predictions', resultsDeadlineMs / 2);
      await tableBarrier(options, TOPICS.labels.name, 'millrace.labels', resultsDeadlineMs / 2);
    }
    return experimentResults(this.store, experiment, level);
  }
}
