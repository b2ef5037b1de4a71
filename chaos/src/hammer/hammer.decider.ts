import { accept, type Command, type Decider, type Event } from '@millrace/kernel';

/** Strokes of all writers on one anvil. The state says by itself whether one was lost, doubled or overtaken. */
export interface Anvil {
  strokes: number;
  /** Number of the last stroke, by writer. */
  last: Record<string, number>;
  /** Strokes that did not follow their writer's last one. */
  outOfTurn: number;
}

interface Strike extends Command<'Strike'> {
  readonly writer: string;
  readonly number: number;
}

type Struck = Event<'Struck', { writer: string; number: number }>;

export const anvil: Decider<Anvil, Strike, Struck, never> = {
  initial: () => ({ strokes: 0, last: {}, outOfTurn: 0 }),
  evolve: (state, event) => {
    const { writer, number } = event.data;
    state.strokes++;
    if (number !== (state.last[writer] ?? 0) + 1) state.outOfTurn++;
    state.last[writer] = number;
    return state;
  },
  decide: (command) => accept('Struck', { writer: command.writer, number: command.number }),
};

/** Where writers wait for one another, so that all strike at the same time and all have struck before they count. */
export interface Meeting {
  readonly present: string[];
}

interface Arrive extends Command<'Arrive'> {
  readonly writer: string;
}

type Arrived = Event<'Arrived', { writer: string }>;

export const meeting: Decider<Meeting, Arrive, Arrived, never> = {
  initial: () => ({ present: [] }),
  evolve: (state, event) => {
    state.present.push(event.data.writer);
    return state;
  },
  decide: (command) => accept('Arrived', { writer: command.writer }),
};
