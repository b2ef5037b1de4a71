import type { Clock, Scheduler } from './clock.js';
import type { Command, Decision, Event } from './decider.js';
import type { Journal } from './journal.js';
import type { Position } from './position.js';
import type { DecisionRecord } from './record.js';
import { Fault, type Rejection } from './rejection.js';
import type { DecisionReplica, Verdict } from './replica.js';

/** What comes in with every command. */
export interface CommandMetadata {
  /** The client's `Idempotency-Key`, or a fresh id. The same id gets the first reply, whichever replica it reaches. */
  readonly commandId: string;
  readonly actor: string;
  /** Milliseconds since the epoch; taken at the edge. */
  readonly now: number;
  readonly traceparent?: string;
}

/** How a command ended. `position` is what a later read passes as `at-least`. */
export type CommandOutcome<E extends Event = Event, R extends Rejection = Rejection> =
  | { readonly kind: 'accepted'; readonly event: E; readonly sequence: number; readonly position: Position; readonly repeated: boolean }
  | { readonly kind: 'unchanged'; readonly sequence: number; readonly position: Position }
  | { readonly kind: 'rejected'; readonly rejection: R };

export interface CommandHandlerOptions {
  readonly replica: DecisionReplica;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Unique per process: two replicas that try the same command must not take each other's record for their own. */
  readonly writer: string;
  /** How long one command may take before it is answered with a retryable fault. Its effect may still come. */
  readonly deadlineMs?: number;
  /** Lost races before giving up. Each loss means that another command on the subject won. */
  readonly maxAttempts?: number;
  /** Schema version by event type; 1 when absent. */
  readonly versions?: Readonly<Record<string, number>>;
}

/**
 * The one write path of every domain: fold, decide, append, read the verdict back, re-decide on a lost race.
 * Commands of one subject take turns inside a process, so a process never races itself; other processes are met on the log.
 */
export class CommandHandler {
  readonly #options: Required<Omit<CommandHandlerOptions, 'versions'>> & { versions: Readonly<Record<string, number>> };
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: CommandHandlerOptions) {
    this.#options = { deadlineMs: 10_000, maxAttempts: 100, versions: {}, ...options };
  }

  get replica(): DecisionReplica {
    return this.#options.replica;
  }

  /**
   * Handles one command on one subject. Returns rejections as values; throws a {@link Fault} when the log cannot be
   * reached in time (`MR_DEADLINE_EXCEEDED`: indefinite, retry with the same command id) or the subject is contended.
   */
  handle<E extends Event, R extends Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>> {
    const before = this.#turns.get(subject);
    const turn = before ? before.then(() => this.#run<E, R>(subject, command, metadata)) : this.#run<E, R>(subject, command, metadata);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(subject, settled);
    void settled.then(() => {
      if (this.#turns.get(subject) === settled) this.#turns.delete(subject);
    });
    return turn;
  }

  async #run<E extends Event, R extends Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>> {
    const { replica, clock, deadlineMs, maxAttempts } = this.#options;
    const decider = replica.aggregate(subject);
    if (!decider) throw new Error(`no decider for subject ${subject} in ${replica.topic}`);
    const deadline = clock.now() + deadlineMs;
    let confirmed = -1;
    for (let attempt = 0; attempt < maxAttempts;) {
      const first = replica.reply(metadata.commandId);
      if (first) {
        const position = { topic: replica.topic, partition: first.partition, offset: first.offset };
        return { kind: 'accepted', event: { type: first.type, data: first.data } as E, sequence: first.sequence, position, repeated: true };
      }
      const { state, sequence } = replica.subject(subject);
      const context = { subject, commandId: metadata.commandId, time: metadata.now, actor: metadata.actor };
      const decision = decider.decide(command, state, context) as Decision<E, R>;
      if (decision.kind !== 'accept') {
        // A refusal is only as good as the state it rests on: another replica may have written what this one has not read yet.
        if (confirmed === sequence) {
          return decision.kind === 'reject'
            ? { kind: 'rejected', rejection: decision.rejection }
            : { kind: 'unchanged', sequence, position: await this.#lastRead(subject) };
        }
        await this.#catchUp(subject, deadline);
        confirmed = replica.subject(subject).sequence;
        continue;
      }
      attempt++;
      const record = this.#record(subject, sequence + 1, attempt, decision.event, metadata);
      const verdict = await this.#appendAndRead(record, deadline);
      if (verdict?.accepted) {
        return { kind: 'accepted', event: decision.event, sequence: record.sequence, position: verdict.position, repeated: false };
      }
    }
    throw new Fault('MR_CONTENTION', `${subject} changed ${maxAttempts} times while the command was being decided; retry`, true);
  }

  #record(subject: string, sequence: number, attempt: number, event: Event, metadata: CommandMetadata): DecisionRecord {
    const record = {
      id: `${metadata.commandId}:${this.#options.writer}:${attempt}`,
      type: event.type,
      version: this.#options.versions[event.type] ?? 1,
      subject,
      sequence,
      commandId: metadata.commandId,
      actor: metadata.actor,
      time: metadata.now,
      data: event.data,
    };
    return metadata.traceparent === undefined ? record : { ...record, traceparent: metadata.traceparent };
  }

  /** Appends and waits for the fold to meet the record. `undefined`: the append failed and the record is not in the log so far. */
  async #appendAndRead(record: DecisionRecord, deadline: number): Promise<Verdict | undefined> {
    const { replica, journal } = this.#options;
    const verdict = replica.verdict(record.id);
    try {
      const position = await journal.append(record);
      if (!replica.hasPassed(position)) await replica.waitFor(position, this.#left(deadline));
      return await nowOrNever(verdict);
    } catch (error) {
      if (this.#options.clock.now() >= deadline) throw error;
      // Indefinite: the record may be in the log although the append failed. Read to the end, then look.
      await this.#catchUp(record.subject, deadline, error);
      return await nowOrNever(verdict);
    } finally {
      replica.forgetVerdict(record.id);
    }
  }

  /** Reads the subject's partition up to the log's present end. */
  async #catchUp(subject: string, deadline: number, cause?: unknown): Promise<void> {
    const { replica, journal, clock, scheduler } = this.#options;
    for (let pause = 1; ; pause = Math.min(pause * 2, 250)) {
      try {
        const end = await journal.end(subject);
        if (end.offset > 0) await replica.waitFor({ ...end, offset: end.offset - 1 }, this.#left(deadline));
        return;
      } catch (error) {
        if (clock.now() + pause >= deadline) {
          throw new Fault('MR_DEADLINE_EXCEEDED', `the log could not be read in time; retry with the same command id`, true, {
            cause: cause ?? error,
          });
        }
        await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
      }
    }
  }

  async #lastRead(subject: string): Promise<Position> {
    const end = await this.#options.journal.end(subject);
    return { ...end, offset: Math.max(0, end.offset - 1) };
  }

  #left(deadline: number): number {
    return Math.max(1, deadline - this.#options.clock.now());
  }
}

/** The fold settles a record's verdict before it moves past it, so a verdict still open by then will not come. */
function nowOrNever(verdict: Promise<Verdict>): Promise<Verdict | undefined> {
  return Promise.race([verdict, Promise.resolve(undefined)]);
}
