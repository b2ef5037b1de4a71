import type { Clock, Scheduler } from './clock.js';
import type { Command, Decision, Event } from './decider.js';
import type { Journal } from './journal.js';
import type { Position } from './position.js';
import type { DecisionRecord } from './record.js';
import { Fault, isFault, type Rejection } from './rejection.js';
import type { DecisionReplica, Verdict } from './replica.js';

/** What comes in with every command. */
export interface CommandMetadata {
  /** The client's `Idempotency-Key`, or a fresh id. The same id on the same subject gets the first reply, whichever replica it reaches. */
  readonly commandId: string;
  readonly actor: string;
  /** The API key the actor showed; absent where it was none. */
  readonly keyId?: string;
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
  /** How long one command may take, waiting for its turn included, before it is answered with a retryable fault. Its effect may still come. */
  readonly deadlineMs?: number;
  /** Lost races before giving up. Each loss means that another command on the subject won. */
  readonly maxAttempts?: number;
  /** Commands in hand at once, running or waiting for their subject's turn; more are refused with `MR_COMMANDS_OVERLOADED`. */
  readonly maxInFlight?: number;
  /** Schema version by event type; 1 when absent. */
  readonly versions?: Readonly<Record<string, number>>;
}

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 250;

/**
 * The one write path of every domain: fold, decide, append, read the verdict back, re-decide on a lost race.
 * Commands of one subject take turns inside a process, so a process never races itself; other processes are met on the log.
 */
export class CommandHandler {
  readonly #options: Required<CommandHandlerOptions>;
  readonly #turns = new Map<string, Promise<void>>();
  #inFlight = 0;
  #attempts = 0;

  constructor(options: CommandHandlerOptions) {
    this.#options = { deadlineMs: 10_000, maxAttempts: 100, maxInFlight: 10_000, versions: {}, ...options };
  }

  get replica(): DecisionReplica {
    return this.#options.replica;
  }

  /** Commands running or waiting for their turn. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Handles one command on one subject. Returns rejections as values; throws a {@link Fault} when the log cannot be
   * reached in time (`MR_DEADLINE_EXCEEDED`: indefinite, retry with the same command id), when the subject is contended
   * (`MR_CONTENTION`) or when there is too much to do (`MR_COMMANDS_OVERLOADED`). What the log refuses because it is away is thrown
   * as it is and soon: the command has no effect then, now or later.
   */
  handle<E extends Event, R extends Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
  ): Promise<CommandOutcome<E, R>> {
    if (this.#inFlight >= this.#options.maxInFlight) {
      const message = `${this.#inFlight} commands are in hand already; nothing was done, retry later`;
      return Promise.reject(new Fault('MR_COMMANDS_OVERLOADED', message, true));
    }
    this.#inFlight++;
    const deadline = this.#options.clock.now() + this.#options.deadlineMs;
    const run = () => this.#run<E, R>(subject, command, metadata, deadline);
    const before = this.#turns.get(subject);
    const turn = before ? before.then(run) : run();
    const done = () => {
      this.#inFlight--;
      if (this.#turns.get(subject) === settled) this.#turns.delete(subject);
    };
    const settled: Promise<void> = turn.then(done, done);
    this.#turns.set(subject, settled);
    return turn;
  }

  async #run<E extends Event, R extends Rejection>(
    subject: string,
    command: Command,
    metadata: CommandMetadata,
    deadline: number,
  ): Promise<CommandOutcome<E, R>> {
    const { replica, maxAttempts, clock } = this.#options;
    const decider = replica.aggregate(subject);
    if (!decider) throw new Error(`no decider for subject ${subject} in ${replica.topic}`);
    const context = { subject, commandId: metadata.commandId, time: metadata.now, actor: metadata.actor };
    let confirmed: { sequence: number; position: Position } | undefined;
    let pause = FIRST_PAUSE_MS;
    // An append that may still come into the log: from then on nobody can say that the command has no effect.
    let doubt: unknown;
    for (let losses = 0; losses < maxAttempts;) {
      if (clock.now() >= deadline) throw deadlineExceeded(subject, doubt);
      const first = replica.reply(subject, metadata.commandId);
      if (first) {
        const position = { topic: replica.topic, partition: first.partition, offset: first.offset };
        return { kind: 'accepted', event: { type: first.type, data: first.data } as E, sequence: first.sequence, position, repeated: true };
      }
      const { state, sequence } = replica.subject(subject);
      const decision = decider.decide(command, state, context) as Decision<E, R>;
      if (decision.kind !== 'accept') {
        // A refusal is only as good as the state it rests on: another replica may have written what this one has not read yet.
        if (confirmed?.sequence !== sequence) {
          const position = await this.#catchUp(subject, deadline, doubt);
          confirmed = { sequence: replica.subject(subject).sequence, position };
          continue;
        }
        if (decision.kind === 'reject') return { kind: 'rejected', rejection: decision.rejection };
        return { kind: 'unchanged', sequence, position: confirmed.position };
      }
      const record = this.#record(subject, sequence + 1, decision.event, metadata);
      const { verdict, failure } = await this.#appendAndRead(record, deadline, doubt);
      doubt ??= failure;
      if (verdict?.accepted) {
        return { kind: 'accepted', event: decision.event, sequence: record.sequence, position: verdict.position, repeated: false };
      }
      if (verdict) losses++;
      else await this.#pause((pause = Math.min(pause * 2, LONGEST_PAUSE_MS)));
    }
    throw new Fault('MR_CONTENTION', `${subject} changed ${maxAttempts} times while the command was being decided; retry`, true);
  }

  #record(subject: string, sequence: number, event: Event, metadata: CommandMetadata): DecisionRecord {
    const record = {
      // Counted over the handler's life, not per command: an attempt given up at its deadline may still reach the log
      // while the client's retry of the same command is waiting for a verdict of its own.
      id: `${metadata.commandId}:${this.#options.writer}:${++this.#attempts}`,
      type: event.type,
      version: this.#options.versions[event.type] ?? 1,
      subject,
      sequence,
      commandId: metadata.commandId,
      actor: metadata.actor,
      time: metadata.now,
      data: event.data,
    };
    const { keyId, traceparent } = metadata;
    return { ...record, ...(keyId === undefined ? {} : { keyId }), ...(traceparent === undefined ? {} : { traceparent }) };
  }

  /**
   * Appends and waits for the fold to meet the record. Without a verdict the append failed, and the record is not in the log so far. `doubt`: of an
   * append before.
   */
  async #appendAndRead(record: DecisionRecord, deadline: number, doubt: unknown): Promise<{ verdict?: Verdict; failure?: unknown }> {
    const { replica, journal, scheduler, clock } = this.#options;
    let verdict: Verdict | undefined;
    let cancel: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        cancel = scheduler.after(this.#left(deadline), () => reject(deadlineExceeded(record.subject)));
        replica.expect(record.id, (met) => {
          verdict = met;
          resolve();
        });
        // Not the acknowledgement is waited for but the verdict: a record that was read is durable, whatever the append says.
        journal.append(record).catch(reject);
      });
      return verdict === undefined ? {} : { verdict };
    } catch (error) {
      if (verdict) return { verdict };
      if (isFinal(error, doubt) || clock.now() >= deadline) throw error;
      // Indefinite: the record may be in the log although the append failed. Read to the end, then look.
      await this.#catchUp(record.subject, deadline, error);
      return verdict === undefined ? { failure: error } : { verdict };
    } finally {
      cancel?.();
      replica.forget(record.id);
    }
  }

  /** Reads the subject's partition up to the log's present end and returns the last position before it. `doubt`: why an append may still come there. */
  async #catchUp(subject: string, deadline: number, doubt: unknown): Promise<Position> {
    const { replica, journal, clock } = this.#options;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        const end = await this.#inTime(journal.end(subject), subject, deadline);
        const last = { ...end, offset: end.offset - 1 };
        await replica.waitFor(last, this.#left(deadline));
        return last;
      } catch (error) {
        if (isFinal(error, doubt)) throw error;
        if (clock.now() + pause >= deadline) throw deadlineExceeded(subject, doubt ?? error);
        await this.#pause(pause);
      }
    }
  }

  #inTime<T>(promise: Promise<T>, subject: string, deadline: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.scheduler.after(this.#left(deadline), () => reject(deadlineExceeded(subject)));
      void promise.then(resolve, reject).finally(cancel);
    });
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.#options.scheduler.after(milliseconds, resolve));
  }

  #left(deadline: number): number {
    return Math.max(1, deadline - this.#options.clock.now());
  }
}

/** Whether a command is over by it: trying again cannot help, or the log takes nothing now and has nothing of it. */
function isFinal(error: unknown, doubt: unknown): boolean {
  return isFault(error) && (!error.retryable || (error.isRefusal && doubt === undefined));
}

function deadlineExceeded(subject: string, cause?: unknown): Fault {
  const message = `the command on ${subject} was not settled in time; it may still take effect, retry with the same command id`;
  // What the last try met is what has to be mended: whoever reads the answer alone has to find it there.
  const met = isFault(cause) ? ` (${cause.message})` : '';
  return new Fault('MR_DEADLINE_EXCEEDED', `${message}${met}`, true, cause === undefined ? {} : { cause });
}
