import { aggregateOf, canonical, type LoggedDecision } from '@millrace/kernel';
import type { SimulatedBroker } from '../simulated-broker.js';
import { ledger, type Ledger, type LedgerCommand } from './ledger.decider.js';
import { decodeAll, PARTITIONS, TOPIC, type LedgerOutcome } from './race-process.js';

/** A command as its client saw it: what it asked, when, and what it was told. */
export interface Call {
  readonly subject: string;
  readonly commandId: string;
  readonly command: LedgerCommand;
  /** Accepted records of the subject in the log when the command was given, and when it was answered. */
  readonly acceptedBefore: number;
  acceptedAfter: number;
  /** Absent: never answered, or with a fault; then it may have happened or not. */
  outcome?: LedgerOutcome;
}

/**
 * The truth, found without the kernel: the log read in partition order, records accepted by the one rule, written down here
 * a second time on purpose.
 */
export class RaceHistory {
  readonly #accepted = new Map<string, LoggedDecision[]>();
  readonly #read = new Array<number>(PARTITIONS).fill(0);
  voidRecords = 0;

  constructor(private readonly broker: SimulatedBroker) {}

  /** Accepted records of a subject in the log as it is now. */
  acceptedOf(subject: string): readonly LoggedDecision[] {
    this.#catchUp();
    return this.#accepted.get(subject) ?? [];
  }

  subjects(): string[] {
    this.#catchUp();
    return [...this.#accepted.keys()].sort();
  }

  #catchUp(): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const records = this.broker.records(TOPIC, partition);
      for (const record of decodeAll(records.slice(this.#read[partition]))) {
        const accepted = this.#accepted.get(record.subject) ?? [];
        this.#accepted.set(record.subject, accepted);
        if (record.sequence === accepted.length + 1) accepted.push(record);
        else this.voidRecords++;
      }
      this.#read[partition] = records.length;
    }
  }

  /** What is wrong with the calls' answers, in words; empty when nothing is. */
  faultsOf(calls: readonly Call[]): string[] {
    return [...this.subjects().flatMap((subject) => this.#faultsOfSubject(subject)), ...calls.flatMap((call) => this.#faultsOfCall(call))];
  }

  #faultsOfSubject(subject: string): string[] {
    const accepted = this.acceptedOf(subject);
    const faults: string[] = [];
    const commands = new Set(accepted.map((record) => record.commandId));
    if (commands.size !== accepted.length) faults.push(`${subject}: a command was accepted twice`);
    if (aggregateOf(subject) !== 'ledger') faults.push(`${subject} is no ledger`);
    let state = ledger.initial();
    for (const record of accepted) {
      const event = { type: record.type, data: record.data } as Parameters<typeof ledger.evolve>[1];
      if (state.closed) faults.push(`${subject}@${record.sequence}: ${record.type} after it was closed`);
      state = ledger.evolve(state, event, record);
      if (state.balance < 0) faults.push(`${subject}@${record.sequence}: overdrawn, ${state.balance}`);
      if (event.type === 'Withdrawn' && event.data.left !== state.balance)
        faults.push(`${subject}@${record.sequence}: decided on an old state`);
    }
    return faults;
  }

  #faultsOfCall(call: Call): string[] {
    const { subject, commandId, outcome } = call;
    if (!outcome) return [];
    const name = `${subject} ${commandId} ${call.command.type}`;
    const accepted = this.acceptedOf(subject);
    const records = accepted.filter((record) => record.commandId === commandId);
    if (outcome.kind === 'accepted') {
      const [record] = records;
      if (!record) return [`${name}: acknowledged, but not in the log`];
      const { sequence, position, event } = outcome;
      const told = canonical({ sequence, position, type: event.type, data: event.data });
      const logged = canonical({ sequence: record.sequence, position: record.position, type: record.type, data: record.data });
      return told === logged ? [] : [`${name}: told ${told}, logged ${logged}`];
    }
    // A refusal must hold in some state the subject was in between the question and the answer.
    const states = statesBetween(accepted, call.acceptedBefore, call.acceptedAfter);
    const kinds = states.map((state) => ledger.decide(call.command, state, { subject, commandId, time: 0, actor: '' }).kind);
    const wanted = outcome.kind === 'rejected' ? 'reject' : 'unchanged';
    return kinds.includes(wanted)
      ? []
      : [`${name}: ${outcome.kind}, but between question and answer it would have been ${kinds.join(', ')}`];
  }
}

function statesBetween(accepted: readonly LoggedDecision[], from: number, to: number): Ledger[] {
  const states: Ledger[] = [];
  let state = ledger.initial();
  for (let sequence = 0; sequence <= to; sequence++) {
    const record = accepted[sequence - 1];
    if (record) state = ledger.evolve(state, { type: record.type, data: record.data } as Parameters<typeof ledger.evolve>[1], record);
    if (sequence >= from) states.push({ ...state, entries: new Map(state.entries) });
  }
  return states;
}
