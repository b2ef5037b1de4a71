import { accept, reject, unchanged, type Decider, type Event, type Rejection } from '@millrace/kernel';

/** The aggregate that is raced for: small, but with every kind of outcome and an invariant that a lost race would break. */
export interface Ledger {
  balance: number;
  closed: boolean;
  /** Amounts by command, in the order they were accepted. */
  entries: Map<string, number>;
}

export type LedgerCommand =
  | { readonly type: 'Deposit'; readonly amount: number }
  | { readonly type: 'Withdraw'; readonly amount: number }
  | { readonly type: 'Close' };

export type LedgerEvent =
  Event<'Deposited', { amount: number }> | Event<'Withdrawn', { amount: number; left: number }> | Event<'Closed', { balance: number }>;

export type LedgerRejection = Rejection<'MR_LEDGER_OVERDRAWN' | 'MR_LEDGER_CLOSED'>;

export const ledger: Decider<Ledger, LedgerCommand, LedgerEvent, LedgerRejection> = {
  initial: () => ({ balance: 0, closed: false, entries: new Map() }),
  // Changes the state in place, as a hot aggregate would: stores and replicas have to bear it.
  evolve(state, event, { sequence }) {
    switch (event.type) {
      case 'Deposited':
        state.balance += event.data.amount;
        state.entries.set(String(sequence), event.data.amount);
        return state;
      case 'Withdrawn':
        state.balance -= event.data.amount;
        state.entries.set(String(sequence), -event.data.amount);
        return state;
      case 'Closed':
        state.closed = true;
        return state;
    }
  },
  decide(command, state) {
    if (command.type === 'Close') return state.closed ? unchanged : accept('Closed', { balance: state.balance });
    if (state.closed) return reject('MR_LEDGER_CLOSED', 'the ledger is closed');
    if (command.type === 'Deposit') return accept('Deposited', { amount: command.amount });
    if (command.amount > state.balance) return reject('MR_LEDGER_OVERDRAWN', `${command.amount} is more than ${state.balance}`);
    return accept('Withdrawn', { amount: command.amount, left: state.balance - command.amount });
  },
};
