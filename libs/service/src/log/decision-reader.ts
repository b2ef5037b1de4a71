import { checkEvent, EVENTS, readEvent } from '@millrace/contracts';
import { decodeDecision, decodeOnce, type LogRecord, type Parsed } from '@millrace/event-log';
import { Fault, type DecisionRecord, type Journal, type LoggedDecision } from '@millrace/kernel';

/**
 * How every fold and projection of a domain reads its decisions: well-formed, of a type this build knows, data that fits its schema. Anything
 * else is no decision (ADR 0009): it takes no sequence and goes to the dead letters. All readers have to agree on that, so there
 * is no other way to read one, and those of one process share what was read.
 */
export function decisionReader(domain: string): (record: LogRecord) => Parsed<LoggedDecision> {
  let reader = readers.get(domain);
  if (!reader) readers.set(domain, (reader = decodeOnce(newReader(domain))));
  return reader;
}

const readers = new Map<string, (record: LogRecord) => Parsed<LoggedDecision>>();

function newReader(domain: string): (record: LogRecord) => Parsed<LoggedDecision> {
  if (!isDescribed(domain)) return (record) => decodeDecision(domain, record);
  return (record) => {
    const decoded = decodeDecision(domain, record);
    if (!decoded.ok) return decoded;
    const { type, version } = decoded.value;
    const data = readEvent(domain, type, version, decoded.value.data);
    return data.ok ? { ok: true, value: { ...decoded.value, data: data.value } } : data;
  };
}

/** A decision of ours that no reader would take is a mistake in its decider: said at once, and not by a command that waits for a verdict. */
export function checkedJournal(journal: Journal, domain: string): Journal {
  if (!isDescribed(domain)) return journal;
  return {
    append: async (record: DecisionRecord) => {
      const wrong = checkEvent(domain, record.type, record.version, record.data);
      if (wrong !== undefined) throw new Fault('MR_DECISION_UNFIT', `a decision on ${record.subject} was not written: ${wrong}`, false);
      return journal.append(record);
    },
    end: (subject) => journal.end(subject),
  };
}

/** Domains of ours have schemas; those that tests make for themselves have none to be held to. */
function isDescribed(domain: string): boolean {
  return EVENTS.some((event) => event.domain === domain);
}
