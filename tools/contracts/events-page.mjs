// docs/reference/events.md: every event there is, by domain and topic.
import { code, inline, sentence, table } from '../markdown.mjs';
import { DEAD_LETTER_ENVELOPE, ENVELOPE } from './envelope.mjs';
import { fieldsOf } from './schema-fields.mjs';
import { topicEvents } from './topic-events.mjs';

const INTRO = `# Events

Generated from \`schemas/\` by \`node tools/contracts/reference.mjs\`.

Everything that is kept is an event on a topic. A _decision_ is something that a rule had to allow. It carries its subject and the
subject's next sequence number. The first record with that number counts, any other is void. A _fact_ is something that
happened. It has no sequence; it is counted once by its position. [Concepts](../concepts.md) says more.

The same as an AsyncAPI document: [schemas/asyncapi.yaml](../../schemas/asyncapi.yaml). To see events as they come:
\`millrace events tail <topic> --follow\`.`;

const ENVELOPE_INTRO = `## The envelope

A record is a CloudEvents 1.0 event in binary mode. The attributes are headers, the value is the data as JSON. Readers outside the
platform apply the rule of the sequence too.`;

const DEAD_LETTERS_INTRO = `### Dead letters

What a consumer cannot take is written to \`<topic>.dead-letters\`: the original key, bytes and headers, and beside them the headers
below. Any topic may have one, also the topic of a Source. \`millrace events dead-letters <topic>\` shows them.`;

const FIELDS_INTRO = `## The data

Types are those of JSON Schema. A _list_ is an array, a _map_ is an object whose keys are not fixed. \`points[].key\` is the field \`key\` of each
entry of the list \`points\`; it is required in the sense that every entry has it. What may be missing is null rather than absent. Times are
milliseconds since the epoch. A reader lets fields pass that it does not know.`;

export function eventsPage(events, topics) {
  const all = topicEvents(events, topics);
  const domains = [...new Set(all.map(({ topic }) => topic.domain))];
  return `${[
    INTRO,
    topicsTable(all),
    ENVELOPE_INTRO,
    table(['header', 'on', 'meaning'], ENVELOPE.map(envelopeRow)),
    DEAD_LETTERS_INTRO,
    table(
      ['header', 'meaning'],
      DEAD_LETTER_ENVELOPE.map(({ name, meaning }) => [code(name), inline(meaning)]),
    ),
    FIELDS_INTRO,
    ...domains.flatMap((domain) => [`## ${domain}`, ...all.filter(({ topic }) => topic.domain === domain).flatMap(topicPart)]),
  ].join('\n\n')}\n`;
}

function topicsTable(all) {
  const rows = all.map(({ topic }) => [
    code(topic.name),
    topic.kind,
    topic.partitions === undefined ? "the source's" : String(topic.partitions),
    inline(topic.key),
    inline(topic.holds),
  ]);
  return `## Topics\n\nThe number of partitions is frozen. All topics are kept for ever. \`{output}\` stands for any topic that a StreamingInference names.\n\n${table(['topic', 'kind', 'partitions', 'key', 'holds'], rows)}`;
}

function envelopeRow({ name, on, optional = [], meaning }) {
  const kinds = on ?? ['decisions', 'facts'];
  const words = kinds.map((kind) => (optional.includes(kind) ? `some ${kind}` : kind));
  return [code(name), words.join(', '), inline(meaning)];
}

function topicPart({ topic, events }) {
  const heading = `### ${topic.name}\n\n${inline(sentence(topic.holds))} The key is ${inline(topic.key)}.`;
  if (events.length === 0) return [heading, 'No event is written to it yet.'];
  const types = [...new Set(events.map(({ type }) => type))];
  return [heading, ...types.flatMap((type) => eventPart(events.filter((event) => event.type === type).reverse()))];
}

/** One event, its versions from the newest on. */
function eventPart(versions) {
  const [newest] = versions;
  return [
    `#### ${newest.type}`,
    inline(newest.schema.description ?? ''),
    ...versions.flatMap((event) => [
      ...(event === newest ? [] : [`Before that, still on the log:`]),
      `${code(`millrace.${event.key}`)}: [schema](../../schemas/${event.path}), [samples](../../schemas/${event.path.replace(/\.json$/, '.golden.jsonl')})`,
      fieldsTable(event.schema),
    ]),
  ];
}

function fieldsTable(schema) {
  const rows = fieldsOf(schema).map(({ path, type, isRequired, meaning }) => [
    code(path),
    type,
    isRequired ? 'yes' : 'no',
    inline(meaning),
  ]);
  return rows.length === 0 ? 'It has no fields: the subject says it all.' : table(['field', 'type', 'required', 'meaning'], rows);
}
