import { createHash } from 'node:crypto';
import type { ArtifactStore } from '@millrace/artifact-store';
import type { EventLog } from '@millrace/event-log';
import { canonical, Fault, type CommandMetadata, type Ids, type Position } from '@millrace/kernel';
import type { OfflineStore } from '@millrace/offline-store';
import type { DomainLog } from '@millrace/service';
import type { FeatureDefinitions } from '../definitions/feature-definitions.js';
import {
  TRAINING_SET,
  trainingSetSubject,
  type TrainingSetCommand,
  type TrainingSetRejection,
  type TrainingSetState,
} from '../domain/training-set/training-set.decider.js';
import type { Spine, TrainingSetEvent, TrainingSetRequested } from '../domain/training-set/training-set.events.js';
import type { Sources } from '../sources/sources.js';
import { buildTrainingSet, failureOf, keysOf, trainingSetPath, viewsOf } from './build-training-set.js';
import type { ScratchTables } from './scratch-table.js';
import { checkSpineSql } from './spine-sql.js';
import { spineFault, withSpine } from './spine-table.js';
import type { TrainingSetInput } from './training-set-request.js';

export interface TrainingSetsOptions {
  readonly domain: DomainLog;
  readonly log: EventLog;
  readonly store: OfflineStore;
  readonly artifacts: ArtifactStore;
  readonly scratch: ScratchTables;
  readonly definitions: FeatureDefinitions;
  readonly sources: Sources;
  readonly ids: Ids;
  readonly now: () => number;
  readonly maxRows: number;
  readonly deadlineMs: number;
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

/**
 * Requests, builds and shows training sets. A set's id is the digest of what is in it (rows asked for, definitions, positions), so asking again is
 * asking for the same one. Builds run one at a time, in the process that was asked; what a crash interrupts is built after the next start,
 * or when it is asked for again.
 */
export class TrainingSets {
  readonly #options: TrainingSetsOptions;
  readonly #progress = new Map<string, BuildProgress>();
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
    if (this.state(id).status === 'requested') this.#enqueue(id);
    return { id, position: outcome.position };
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
    const topics = new Set(service.views.map((view) => view.source.topic));
    if (input.spine.kind === 'source') {
      const { spine } = input;
      if (!service.views.some((view) => view.source.name === spine.source)) {
        throw spineFault(`source ${spine.source} is not one that feature service ${input.featureService} rests on; use spine.sql`);
      }
    }
    const positions = await this.#positions([...topics], input.asOf);
    const partial = {
      featureService: input.featureService,
      features,
      versions: Object.fromEntries(service.views.map((view) => [view.name, view.version])),
      definitions: service.views.map((view) => definitions.definitionsOf(view.name)) as unknown as TrainingSetRequested['definitions'],
      timestampColumn: input.timestampColumn,
      positions,
    };
    const spine = await this.#spine(input, partial);
    const content = {
      format: 1,
      features,
      versions: partial.versions,
      timestampColumn: input.timestampColumn,
      positions,
      spine: identity(spine),
    };
    const trainingSetId = createHash('sha256').update(canonical(content)).digest('hex').slice(0, 32);
    return { trainingSetId, ...partial, spine };
  }

  /** What is on the log now, or was at the positions given; and the tables hold it. */
  async #positions(topics: readonly string[], asOf: TrainingSetInput['asOf']): Promise<Record<string, readonly number[]>> {
    const { log, sources, now, deadlineMs } = this.#options;
    const foreign = Object.keys(asOf).find((topic) => !topics.includes(topic));
    if (foreign !== undefined) throw spineFault(`asOf names topic ${foreign}; the features rest on ${topics.join(', ')}`);
    const deadline = now() + deadlineMs;
    const positions: Record<string, readonly number[]> = {};
    for (const topic of [...topics].sort()) {
      const end = await log.end(topic);
      const given = asOf[topic];
      if (given && (given.length !== end.length || given.some((offset, partition) => offset > (end[partition] as number)))) {
        throw spineFault(`asOf.${topic} is [${given.join(', ')}]; the topic stands at [${end.join(', ')}]`);
      }
      const next = given ?? [...end];
      await sources.waitForTable(topic, next, deadline - now());
      positions[topic] = next;
    }
    return positions;
  }

  async #spine(input: TrainingSetInput, request: Omit<TrainingSetRequested, 'spine' | 'trainingSetId'>): Promise<Spine> {
    const { store, artifacts, scratch, maxRows } = this.#options;
    const { spine } = input;
    if (spine.kind === 'source') return spine;
    if (spine.kind === 'rows') {
      const lines = Buffer.from(spine.rows.map((row) => JSON.stringify(row)).join('\n'));
      const digest = createHash('sha256').update(lines).digest('hex');
      const path = `${trainingSetPath('spines')}/${digest}.jsonl`;
      await artifacts.put(path, lines);
      return { kind: 'rows', path, digest };
    }
    const checked = await checkSpineSql(store, spine.sql);
    if ('reason' in checked) throw spineFault(checked.reason);
    const { sql } = checked;
    const views = viewsOf({ ...request, trainingSetId: '', spine: { kind: 'sql', sql, digest: '' } });
    const staged = { store, artifacts, scratch, spine: { kind: 'sql', sql, digest: '' } as const, source: undefined, maxRows };
    const digest = await withSpine(
      { ...staged, keys: keysOf(views), timestampColumn: input.timestampColumn },
      async (found) => found.digest,
    );
    return { kind: 'sql', sql, digest };
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
      }
    }
  }

  async #build(id: string): Promise<void> {
    const { store, artifacts, scratch, maxRows, failed } = this.#options;
    const state = this.state(id);
    if (state.status !== 'requested') return;
    const progress = (stage: string, done: number, total: number): void => {
      if (this.#isStopped) throw new Error('the process stops');
      this.#progress.set(id, { stage, done, total });
    };
    let command: TrainingSetCommand;
    try {
      const result = await buildTrainingSet({ store, artifacts, scratch, maxRows, progress }, state.request);
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

/** What of a spine says which rows it has. */
function identity(spine: Spine): unknown {
  return spine.kind === 'rows' ? { kind: spine.kind, digest: spine.digest } : spine;
}
