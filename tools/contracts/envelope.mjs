// The envelope in words: what libs/event-log/port writes into the headers of a record (cloud-events.ts, dead-letters.ts). The spec
// beside this file holds it against what is really written.

/** CloudEvents 1.0, Kafka protocol binding, binary mode. `on`: which records carry it; `optional`: where not all of them do. */
export const ENVELOPE = [
  { name: 'ce_specversion', schema: { const: '1.0' }, meaning: 'The version of CloudEvents.' },
  { name: 'ce_id', meaning: 'The id of the event, unique within its source.' },
  {
    name: 'ce_type',
    schema: { pattern: '^millrace\\.[a-z]+\\.[A-Z][A-Za-z0-9]*\\.v[1-9][0-9]*$' },
    meaning: 'Domain, event and version: `millrace.<domain>.<Event>.v<N>`.',
  },
  { name: 'ce_source', schema: { pattern: '^/millrace/[a-z]+$' }, meaning: 'The domain that wrote it: `/millrace/<domain>`.' },
  {
    name: 'ce_time',
    schema: { format: 'date-time' },
    meaning: 'When it happened, RFC 3339 in UTC; of a decision, when the command was given. Also the timestamp of the record.',
  },
  { name: 'ce_subject', optional: ['facts'], meaning: 'What it is about. Of a decision `<aggregate>/<id>`, which is also the key.' },
  {
    name: 'ce_dataschema',
    on: ['decisions'],
    schema: { format: 'uri-reference' },
    meaning: 'The schema of the data, as a path in the repository: `/schemas/<domain>/<Event>/v<N>.json`.',
  },
  {
    name: 'ce_sequence',
    on: ['decisions'],
    schema: { pattern: '^[1-9][0-9]*$' },
    meaning:
      "The decision's number among those of its subject: 1, 2, 3 and so on. The first record with the next number counts; any other is void.",
  },
  { name: 'ce_commandid', on: ['decisions'], meaning: 'The command that was decided. A command that is repeated is answered from it.' },
  { name: 'ce_actor', on: ['decisions'], meaning: 'Who gave the command, percent-encoded.' },
  {
    name: 'ce_keyid',
    on: ['decisions'],
    optional: ['decisions'],
    meaning: 'The id of the API key the actor showed, never the key; absent where it was none, and before 2026-11.',
  },
  {
    name: 'ce_traceparent',
    optional: ['decisions', 'facts'],
    meaning: 'The trace it belongs to: W3C Trace Context, as the distributed tracing extension of CloudEvents.',
  },
  { name: 'content-type', schema: { const: 'application/json' }, meaning: 'The value is JSON.' },
];

/** What a dead letter carries beside the headers of the record it was. */
export const DEAD_LETTER_ENVELOPE = [
  {
    name: 'millrace-dead-letter-id',
    meaning: 'Where the record was: `<topic>/<partition>@<offset>`. A letter that is there twice has the same id.',
  },
  { name: 'millrace-dead-letter-consumer', meaning: 'The consumer that could not take it.' },
  {
    name: 'millrace-dead-letter-code',
    schema: { enum: ['UNREADABLE', 'UNDECODABLE', 'REFUSED'] },
    meaning:
      '`UNREADABLE`: the client of the log could not read it. `UNDECODABLE`: it is not what the topic holds. `REFUSED`: the handler gave it up.',
  },
  { name: 'millrace-dead-letter-reason', meaning: 'The reason in words, percent-encoded.' },
  { name: 'millrace-dead-letter-time', schema: { format: 'date-time' }, meaning: 'When it was put aside.' },
];

/** The headers of one kind of topic, `decisions` or `facts`. */
export function headersOf(kind) {
  return ENVELOPE.filter(({ on }) => on === undefined || on.includes(kind)).map((header) => ({
    ...header,
    required: !(header.optional ?? []).includes(kind),
  }));
}
