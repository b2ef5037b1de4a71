import { deepStrictEqual, fail, strictEqual } from 'node:assert';
import { canonical } from '../canonical.js';
import type { Command, CommandContext, Decider, Decision, Event } from '../decider.js';
import type { Rejection } from '../rejection.js';

/** What stands around a command in a spec when the test does not care. */
const DEFAULT_CONTEXT: CommandContext = {
  subject: 'aggregate/1',
  commandId: '00000000-0000-7000-8000-000000000001',
  time: 1_700_000_000_000,
  actor: 'tester',
};

/** The outcome of a `when`, to be checked. Every check returns the state after the outcome, for further looks. */
export interface Then<State, E extends Event, R extends Rejection> {
  /** The command was accepted with exactly this event. */
  accepts(event: E): State;
  /** The command was refused with this code, and with these details where given. */
  rejects(code: R['code'], details?: Readonly<Record<string, unknown>>): State;
  /** There was nothing to do. */
  unchanged(): State;
  readonly decision: Decision<E, R>;
}

export interface When<State, C extends Command, E extends Event, R extends Rejection> {
  /** Decides, with the context's fields replaced where given. Also checks that `decide` leaves the state alone and repeats itself. */
  when(command: C, context?: Partial<CommandContext>): Then<State, E, R>;
  /** The state folded from the events. */
  readonly state: State;
}

export interface DeciderSpec<State, C extends Command, E extends Event, R extends Rejection> {
  /** The history: events in order, folded with sequences 1, 2, 3 … */
  given(...events: readonly E[]): When<State, C, E, R>;
}

/**
 * Given/when/then for a decider:
 * `deciderSpec(run).given(created).when({ type: 'FinishRun' }).accepts({ type: 'RunFinished', data: {} })`.
 */
export function deciderSpec<State, C extends Command, E extends Event, R extends Rejection>(
  decider: Decider<State, C, E, R>,
  defaults: Partial<CommandContext> = {},
): DeciderSpec<State, C, E, R> {
  const around = { ...DEFAULT_CONTEXT, ...defaults };
  const fold = (events: readonly E[]): State =>
    events.reduce((state, event, index) => decider.evolve(state, event, { ...around, sequence: index + 1 }), decider.initial());
  return {
    given: (...events) => ({
      state: fold(events),
      when(command, context = {}) {
        const state = fold(events);
        const before = canonical(state);
        const full = { ...around, ...context };
        const decision = decider.decide(command, state, full);
        strictEqual(canonical(state), before, 'decide changed the state');
        strictEqual(canonical(decider.decide(command, state, full)), canonical(decision), 'decide gave two outcomes for one question');
        return outcome(decider, decision, state, { ...full, sequence: events.length + 1 });
      },
    }),
  };
}

function outcome<State, C extends Command, E extends Event, R extends Rejection>(
  decider: Decider<State, C, E, R>,
  decision: Decision<E, R>,
  state: State,
  context: CommandContext & { sequence: number },
): Then<State, E, R> {
  const wanted = (what: string): never => fail(`wanted ${what}, got ${canonical(decision)}`);
  return {
    decision,
    accepts(event) {
      if (decision.kind !== 'accept') return wanted(`${event.type} to be accepted`);
      deepStrictEqual(plain(decision.event), plain(event));
      return decider.evolve(state, decision.event, context);
    },
    rejects(code, details) {
      if (decision.kind !== 'reject') return wanted(`a rejection ${code}`);
      strictEqual(decision.rejection.code, code);
      if (details) deepStrictEqual(plain(decision.rejection.details), plain(details));
      return state;
    },
    unchanged() {
      return decision.kind === 'unchanged' ? state : wanted('nothing to change');
    },
  };
}

/** What an event is once it has been on the log: JSON. A property that is `undefined` is then no property at all. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}
