import { accept, reject, unchanged, type Command, type Decider, type Event, type Rejection } from '@millrace/kernel';

/** A domain small enough for the kit's own tests: a tally that only grows, up to a limit. */
export interface Tally {
  readonly count: number;
}

export type TallyEvent = Event<'TallyGrown', { by: number }>;
export interface GrowTally extends Command<'GrowTally'> {
  readonly by: number;
}
export type TallyRejection = Rejection<'MR_TALLY_FULL' | 'MR_TALLY_AMOUNT_INVALID'>;

const LIMIT = 1000;

export const tally: Decider<Tally, GrowTally, TallyEvent, TallyRejection> = {
  initial: () => ({ count: 0 }),
  evolve: (state, event) => ({ count: state.count + event.data.by }),
  decide: (command, state) => {
    if (command.by === 0) return unchanged;
    if (command.by < 0) return reject('MR_TALLY_AMOUNT_INVALID', 'a tally only grows');
    if (state.count + command.by > LIMIT) return reject('MR_TALLY_FULL', `a tally ends at ${LIMIT}`, { count: state.count });
    return accept('TallyGrown', { by: command.by });
  },
};
