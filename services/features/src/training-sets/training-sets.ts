import { createHash } from 'node:crypto';
import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import { canonical, type CommandMetadata, exactJsonText, Fault, type Ids, type Position } from '@millrace/kernel';
import type { ServicePlan, SourcePlan } from '@millrace/feature-engine';
import { checkSelect, tableExists, type OfflineStore, type ScratchTables } from '@millrace/offline-store';
import type { DomainLog } from '@millrace/service';
import type { FeatureDefinitions } from '../definitions/feature-definitions.js';
import {
  TRAINING_SET,
  trainingSetSubject,
  type TrainingSetCommand,
  type TrainingSetRejection,
  type TrainingSetState,
} from '../domain/training-set/training-set.decider.js';
import type {
  DefinitionText,
  KeptRows,
  Spine,
  TrainingSetEvent,
  TrainingSetRequested,
} from '../domain/training-set/training-set.events.js';
import type { Sources } from '../sources/sources.js';
import { buildTrainingSet, failureOf, trainingSetPath, trainingSetTable } from './build-training-set.js';
import { csvSpine, parquetSpine } from './file-spine.js';
import { checkGivenRows } from './given-rows.js';
import { knownPositions } from './known-positions.js';
import { SeenEvents } from './latest-events.js';
import { predictionsSql } from './predictions-spine.js';
import { spineFault } from './spine-fault.js';
import { keepRows } from './spine-rows.js';
import { withSpine } from './spine-table.js';
import { checkInParquet } from './parquet-columns.js';
import { formatOf, TRAINING_SET_FORMAT } from './training-set-format.js';
import type { TrainingSetInput } from './training-set-request.js';
import { columnsOf, definingViews, fieldsOf, keysOf } from './view-columns.js';

export interface TrainingSetsOptions {
  readonly domain: DomainLog;
  readonly log: EventLog;
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly definitions: FeatureDefinitions;
  readonly sources: Sources;
  /** What reads a source, once it runs; `undefined` where there is no such source any more. */
  readonly readerOf: (source: string) => Promise<unknown>;
  readonly ids: Ids;
  readonly now: () => number;
  readonly maxRows: number;
  readonly deadlineMs: number;
  /** Resolves when the table of predictions holds what is on the log; false where nothing was ever served. */
  readonly waitForPredictions: () => Promise<boolean>;
  readonly pause: (milliseconds: number) => Promise<void>;
  readonly failed: (id: string, error: unknown) => void;
}

/** How far a build has come. */
export interface BuildProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

export interface RequestedTrainingSet {
  readonly id: string;
  readonly position: Position | undefined;
}

/** Sets that may wait to be built in one process. */
const MOST_WAITING = 1_000;
const SPINES = trainingSetPath('spines');
/** How often a set that another process builds is looked at. */
const POLL_MS = 100;

/**
 * Requests, builds and shows training sets. A set's id is the digest of what is in it (rows asked for, definitions, positions), so asking again is
 * asking for the same one. Builds run one at a time, in the process that was asked; what a crash interrupts is built after the next start,
 * or when it is asked for again.
 */
export class TrainingSets {
  readonly #options: TrainingSetsOptions;
  readonly #progress = new Map<string, BuildProgress>();
  readonly #seen = new SeenEvents();
  readonly #waiters = new Map<string, Set<() => void>>();
  #waiting: string[] = [];
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: TrainingSetsOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier process left unbuilt. */
  async resume(): Promise<void> {
    await this.#options.domain.barrier();
    for await (const [subject, { state }] of this.#options.domain.replica.subjects(`${TRAINING_SET}/`)) {
      if ((state as TrainingSetState).status === 'requested') this.#enqueue(subject.slice(TRAINING_SET.length + 1));
    }
  }

  async request(input: TrainingSetInput, metadata: CommandMetadata): Promise<RequestedTrainingSet> {
    const request = await this.#plan(input);
    const id = request.trainingSetId;
    const command: TrainingSetCommand = { type: 'RequestTrainingSet', request };
    const { domain } = this.#options;
    const outcome = await domain.handle<TrainingSetEvent, TrainingSetRejection>(trainingSetSubject(id), command, metadata);
    if (outcome.kind === 'rejected') throw new Fault(outcome.rejection.code, outcome.rejection.message, false);
    if (await this.#isUnbuilt(id)) this.#enqueue(id);
    return { id, position: outcome.position };
  }

  /** Resolves when a set is built or has failed, or after so long. */
  async settled(id: string, waitMs: number): Promise<void> {
    const { domain, now, pause } = this.#options;
    const deadline = now() + waitMs;
    for (;;) {
      if (this.state(id).status !== 'requested' || now() >= deadline) return;
      const here = Promise.withResolvers<void>();
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters.add(here.resolve));
      await Promise.race([here.promise, pause(Math.max(1, Math.min(POLL_MS, deadline - now())))]);
      waiters.delete(here.resolve);
      if (waiters.size === 0) this.#waiters.delete(id);
      await domain.barrier();
    }
  }

  /** Sets there are, the newest first. */
  async list(): Promise<{ id: string; state: Exclude<TrainingSetState, { status: 'absent' }> }[]> {
    const found: { id: string; state: Exclude<TrainingSetState, { status: 'absent' }> }[] = [];
    for await (const [subject, { state }] of this.#options.domain.replica.subjects(`${TRAINING_SET}/`)) {
      const set = state as TrainingSetState;
      if (set.status !== 'absent') found.push({ id: subject.slice(TRAINING_SET.length + 1), state: set });
    }
    return found.sort((a, b) => b.state.requestedAt - a.state.requestedAt);
  }

  /** Not built, or built and without the table that was asked for: that is a projection, and may have been dropped. */
  async #isUnbuilt(id: string): Promise<boolean> {
    const state = this.state(id);
    if (state.status !== 'built') return state.status === 'requested';
    if (state.request.output !== 'table') return false;
    return !(await tableExists(this.#options.store, trainingSetTable(id)));
  }

  state(id: string): TrainingSetState {
    return this.#options.domain.replica.subject(trainingSetSubject(id)).state as TrainingSetState;
  }

  progress(id: string): BuildProgress | undefined {
    return this.#progress.get(id);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#waiting = [];
    await this.#running;
  }

  async #plan(input: TrainingSetInput): Promise<TrainingSetRequested> {
    const { definitions } = this.#options;
    const service = definitions.service(input.featureService);
    if (!service) throw new Fault('MR_FEATURES_SERVICE_NOT_FOUND', `there is no feature service ${input.featureService}`, false);
    const features = service.features.map(({ view, name }) => ({
      view: view.name,
      feature: name,
      column: input.fullFeatureNames ? `${view.name}__${name}` : name,
    }));
    const repeated = features.find(({ column }, index) => features.findIndex((other) => other.column === column) !== index);
    if (repeated) throw spineFault(`two features are called ${repeated.column}; ask with fullFeatureNames`);
    if (input.spine.kind === 'source') {
      const { spine } = input;
      if (!service.views.some((view) => view.source.name === spine.source)) {
        throw spineFault(`source ${spine.source} is not one that feature service ${input.featureService} rests on; use spine.sql`);
      }
    }
    const sources = service.views.map((view) => view.source);
    const positions = await this.#positions(sources, input.known);
    const serviceVersion = definitions.serviceVersion(input.featureService);
    const partial = {
      featureService: input.featureService,
      ...(serviceVersion === undefined ? {} : { featureServiceVersion: serviceVersion }),
      features,
      versions: Object.fromEntries([...service.views, ...service.onDemand].map((view) => [view.name, view.version])),
      definitions: definingViews(service).map((view) =>
        definitions.definitionsOf(view.name),
      ) as unknown as TrainingSetRequested['definitions'],
      ...onDemandOf(service, definitions),
      timestampColumn: input.timestampColumn,
      positions,
    };
    const spine = await this.#spine(input, service, partial);
    const variant = { ...(input.known.kind === 'served' ? { knownBy: 'row' as const } : {}), ...outputOf(input) };
    const content = {
      format: TRAINING_SET_FORMAT,
      features,
      versions: partial.versions,
      timestampColumn: input.timestampColumn,
      positions,
      spine: identity(spine),
      ...variant,
    };
    const trainingSetId = createHash('sha256').update(canonical(content)).digest('hex').slice(0, 32);
    return { trainingSetId, ...partial, spine, ...variant, format: TRAINING_SET_FORMAT };
  }

  async #positions(sources: readonly SourcePlan[], known: TrainingSetInput['known']): Promise<TrainingSetRequested['positions']> {
    const { log, store, now, deadlineMs } = this.#options;
    const deadline = now() + deadlineMs;
    // A source that is only being started has no topic to ask yet.
    for (const name of new Set(sources.map((source) => source.name))) {
      if (!(await this.#options.readerOf(name)))
        throw spineFault(`source ${name}, which the features rest on, was deleted; apply it again`);
    }
    const waitForTable = (topic: string, next: readonly number[]): Promise<void> =>
      this.#options.sources.waitForTable(topic, next, deadline - now());
    return knownPositions({ log, store, waitForTable }, sources, known);
  }

  async #spine(
    input: TrainingSetInput,
    service: ServicePlan,
    request: Omit<TrainingSetRequested, 'spine' | 'trainingSetId'>,
  ): Promise<Spine> {
    const { store, waitForPredictions } = this.#options;
    const { spine } = input;
    switch (spine.kind) {
      case 'source':
        return spine;
      case 'rows':
        checkGivenRows(spine.rows, { keys: service.joinKeys, timestampColumn: input.timestampColumn });
        return {
          kind: spine.kind,
          ...(await this.#keepBytes(Buffer.from(spine.rows.map((row) => exactJsonText(row)).join('\n')), 'jsonl')),
        };
      case 'file': {
        const { kind, format, bytes } = spine;
        // What its head says can be told at once.
        if (format === 'parquet') parquetSpine(bytes);
        else csvSpine({ keys: service.joinKeys, fields: [] }, bytes);
        return { kind, format, ...(await this.#keepBytes(bytes, format)) };
      }
      case 'sql': {
        const checked = await checkSelect(store, spine.sql, 'spine.sql');
        if ('reason' in checked) throw spineFault(checked.reason);
        return { kind: 'sql', sql: checked.sql, ...(await this.#keepQuery(input, request, { kind: 'sql', sql: checked.sql, digest: '' })) };
      }
      case 'predictions': {
        if (!(await waitForPredictions())) throw spineFault('there are no predictions yet');
        const sql = await predictionsSql(store, service, input.featureService, spine, input.known.kind === 'served');
        const kept = await this.#keepQuery(input, request, { kind: 'sql', sql, digest: '' });
        return { ...spine, ...kept };
      }
    }
  }

  async #keepBytes(bytes: Buffer, extension: string): Promise<{ path: string; digest: string }> {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const path = `${SPINES}/${digest}.${extension}`;
    if (!(await this.#options.artifacts.stat(path))) await this.#options.artifacts.put(path, bytes);
    return { path, digest };
  }

  /** Runs a query once and keeps its rows: they, and not the query, are the spine. */
  async #keepQuery(
    input: TrainingSetInput,
    request: Omit<TrainingSetRequested, 'spine' | 'trainingSetId'>,
    spine: Extract<Spine, { kind: 'sql' }>,
  ): Promise<KeptRows & { digest: string }> {
    const { store, artifacts, scratch, maxRows } = this.#options;
    const { timestampColumn } = input;
    const columns = columnsOf(request);
    const [keys, fields] = [keysOf(columns), fieldsOf(columns)];
    const mayKnow = input.spine.kind === 'predictions';
    return withSpine(
      { store, artifacts, scratch, spine, keys, fields, timestampColumn, source: undefined, maxRows, mayKnow, hasDigest: true },
      async (staged) => {
        if (request.output !== 'arrow') staged.columns.forEach(checkInParquet);
        return { ...(await keepRows({ store, artifacts }, staged, SPINES)), digest: staged.digest };
      },
    );
  }

  #enqueue(id: string): void {
    if (this.#isStopped || this.#waiting.includes(id) || this.#progress.has(id)) return;
    if (this.#waiting.length >= MOST_WAITING)
      throw new Fault('MR_FEATURES_OVERLOADED', 'too many training sets wait to be built; try again', true);
    this.#waiting.push(id);
    this.#running ??= this.#work().finally(() => (this.#running = undefined));
  }

  async #work(): Promise<void> {
    for (let id = this.#waiting.shift(); id !== undefined; id = this.#waiting.shift()) {
      this.#progress.set(id, { stage: 'spine', done: 0, total: 0 });
      try {
        await this.#build(id);
      } catch (error) {
        this.#options.failed(id, error);
      } finally {
        this.#progress.delete(id);
        for (const told of this.#waiters.get(id) ?? []) told();
      }
    }
  }

  async #build(id: string): Promise<void> {
    const { store, artifacts, scratch, maxRows, failed } = this.#options;
    const state = this.state(id);
    if (state.status === 'absent' || !(await this.#isUnbuilt(id))) return;
    const progress = (stage: string, done: number, total: number): void => {
      if (this.#isStopped) throw new Error('the process stops');
      this.#progress.set(id, { stage, done, total });
    };
    let command: TrainingSetCommand;
    try {
      const { request } = state;
      if (formatOf(request) !== TRAINING_SET_FORMAT) throw formerFormat(request);
      const kept = state.status === 'built' ? state.result : undefined;
      const result = await buildTrainingSet({ store, artifacts, scratch, seen: this.#seen, maxRows, progress, kept }, request);
      command = { type: 'CompleteTrainingSet', result };
    } catch (error) {
      // While the process stops, its stores go first: that is no failure of the set, which is built after the next start.
      if (this.#isStopped) return;
      failed(id, error);
      command = { type: 'FailTrainingSet', failure: failureOf(error) };
    }
    await this.#tell(id, command);
  }

  async #tell(id: string, command: TrainingSetCommand): Promise<void> {
    const { domain, ids, now } = this.#options;
    const metadata = { commandId: ids.next(), actor: 'features', now: now() };
    const outcome = await domain.handle(trainingSetSubject(id), command, metadata);
    if (outcome.kind === 'rejected') throw new Fault(outcome.rejection.code, outcome.rejection.message, false);
  }
}

/** What an earlier release left unbuilt would come out with other bytes than its id stands for. */
function formerFormat(request: TrainingSetRequested): Fault {
  return new Fault(
    'MR_FEATURES_TRAINING_SET_FORMAT',
    `it was asked for in format ${formatOf(request)} and is now written in format ${TRAINING_SET_FORMAT}; request it again, which gives it another id`,
    false,
  );
}

/** What of a spine says which rows it has. */
function identity(spine: Spine): unknown {
  if (spine.kind === 'source') return spine;
  if (spine.kind === 'file') return { kind: spine.kind, format: spine.format, digest: spine.digest };
  if (spine.kind === 'rows') return { kind: spine.kind, digest: spine.digest };
  return { kind: spine.kind, digest: spine.digest, columns: spine.columns };
}

/** Definitions of the on-demand views of a service, where it has some. */
function onDemandOf(service: ServicePlan, definitions: FeatureDefinitions): Pick<TrainingSetRequested, 'onDemand'> {
  if (service.onDemand.length === 0) return {};
  return { onDemand: service.onDemand.map((view) => definitions.onDemandDefinition(view.name)) as unknown as readonly DefinitionText[] };
}

function outputOf({ output }: TrainingSetInput): Pick<TrainingSetRequested, 'output'> {
  return output === 'parquet' ? {} : { output };
}
