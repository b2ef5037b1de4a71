import type { Rejection } from './rejection.js';

/** A decision that was taken: past tense, plain data. `Type` is the bare name (`RunFinished`); the wire adds domain and version. */
export interface Event<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** What someone asks for: imperative, plain data. */
export interface Command<Type extends string = string> {
  readonly type: Type;
}

/** What `evolve` may know beside the event. All of it came in with the command or from the log, so folding is deterministic. */
export interface EventContext {
  readonly subject: string;
  readonly sequence: number;
  /** Milliseconds since the epoch at which the command was given. */
  readonly time: number;
  readonly actor: string;
}

/** What `decide` may know beside the command and the state. */
export interface CommandContext {
  readonly subject: string;
  readonly commandId: string;
  readonly time: number;
  readonly actor: string;
}

/** The outcome of a rule: one event, a refusal, or nothing to do (an idempotent repeat; the reply is the state as it stands). */
export type Decision<E extends Event, R extends Rejection> =
  { readonly kind: 'accept'; readonly event: E } | { readonly kind: 'reject'; readonly rejection: R } | { readonly kind: 'unchanged' };

/**
 * An aggregate, whole. Pure: no I/O, clock, random; time and ids come in with the command.
 * `evolve` may mutate and return the state it is given (the replica owns it); `decide` must not.
 * State is plain data: JSON values, Map and Set, so that it can be stored and digested.
 */
export interface Decider<State, C extends Command, E extends Event, R extends Rejection> {
  initial(): State;
  evolve(state: State, event: E, context: EventContext): State;
  decide(command: C, state: State, context: CommandContext): Decision<E, R>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a registry holds deciders of many types; each is typed where it is made
export type AnyDecider = Decider<any, any, any, any>;

export function accept<Type extends string, Data>(type: Type, data: Data): { kind: 'accept'; event: Event<Type, Data> } {
  return { kind: 'accept', event: { type, data } };
}

export function reject<Code extends string>(
  code: Code,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): { kind: 'reject'; rejection: Rejection<Code> } {
  return { kind: 'reject', rejection: details ? { code, message, details } : { code, message } };
}

export const unchanged = { kind: 'unchanged' } as const;
