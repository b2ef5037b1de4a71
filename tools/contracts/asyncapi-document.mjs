// The AsyncAPI 3.0 document of the log, as an object.
import { sentence } from '../markdown.mjs';
import { DEAD_LETTER_ENVELOPE, headersOf } from './envelope.mjs';
import { topicEvents } from './topic-events.mjs';

const BINDING_VERSION = '0.5.0';
const DEAD_LETTERS = 'dead-letters';

const DESCRIPTION = `The events of Millrace on Kafka. Every topic that the platform owns is a channel here.

A record is a CloudEvents 1.0 event in binary mode: the attributes are headers, the value is the data as JSON.

Decisions obey one rule. A record is accepted if its \`ce_sequence\` is the last accepted one of its \`ce_subject\` plus 1. Any other record is void: a duplicate, or the loser of a race. Every reader of a decisions topic applies this rule. Facts have no sequence; a fact is counted once by its position.

A reader lets properties pass that it does not know. Old versions of an event stay on the log for ever.

Not described here: the topics of feature events. They belong to their producers, and a Source says what is on them.

The directions are those of the platform: it sends what it appends and receives what it reads. An application that follows a topic receives what the platform sends.`;

/** `events` as readEvents gives them; `version` is the version of the document. */
export function asyncApiDocument(events, version, topics) {
  const channels = topicEvents(events, topics);
  return {
    asyncapi: '3.0.0',
    info: { title: 'Millrace', version, description: DESCRIPTION, license: { name: 'Apache-2.0' } },
    defaultContentType: 'application/json',
    servers: {
      kafka: {
        host: '{broker}',
        protocol: 'kafka',
        description: 'The brokers that MILLRACE_KAFKA_BROKERS names. When it is not set, the log is embedded and holds the same records.',
        variables: { broker: { default: 'localhost:9092', description: 'Host and port of a broker.' } },
      },
    },
    channels: {
      ...Object.fromEntries(channels.map(({ topic, events: carried }) => [topic.name, channelOf(topic, carried)])),
      [DEAD_LETTERS]: deadLetters(channels.map(({ topic }) => topic.name)),
    },
    operations: operationsOf(channels.map(({ topic }) => topic)),
    components: {
      messages: {
        ...Object.fromEntries(
          channels.flatMap(({ topic, events: carried }) => carried.map((event) => [event.key, messageOf(topic, event)])),
        ),
        deadLetter: deadLetterMessage(),
      },
      schemas: {
        decisionHeaders: { description: 'Headers of every decision.', ...headers(headersOf('decisions')) },
        factHeaders: { description: 'Headers of every fact.', ...headers(headersOf('facts')) },
      },
    },
  };
}

function channelOf(topic, events) {
  return {
    address: topic.name,
    title: titleOf(topic),
    description: `${sentence(topic.holds)} A topic of ${topic.kind}; the key is ${topic.key}. Kept for ever.`,
    messages: Object.fromEntries(events.map((event) => [event.key, { $ref: `#/components/messages/${event.key}` }])),
    ...(topic.partitions === undefined ? { parameters: { output: { description: 'The name that the resource gives it.' } } } : {}),
    bindings: {
      kafka: {
        ...(topic.partitions === undefined ? {} : { topic: topic.name, partitions: topic.partitions }),
        topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': -1 },
        bindingVersion: BINDING_VERSION,
      },
    },
  };
}

function titleOf({ domain, kind, name }) {
  if (name.startsWith('{')) return `${domain} outputs`;
  return `${domain} ${kind === 'decisions' ? 'decisions' : name.split('.').at(-1)}`;
}

function messageOf(topic, event) {
  const { key, domain, type, version, schema, golden } = event;
  const base = topic.kind === 'decisions' ? 'decisionHeaders' : 'factHeaders';
  const exact = { ce_type: { const: `millrace.${key}` }, ce_source: { const: `/millrace/${domain}` } };
  if (topic.kind === 'decisions') exact.ce_dataschema = { const: `/schemas/${domain}/${type}/v${version}.json` };
  const sample = golden?.[0];
  return {
    name: `millrace.${key}`,
    title: version === 1 ? type : `${type} v${version}`,
    summary: schema.description,
    contentType: 'application/json',
    headers: { allOf: [{ $ref: `#/components/schemas/${base}` }, { type: 'object', properties: exact }] },
    payload: { $ref: `./${event.path.replaceAll('\\', '/')}` },
    bindings: { kafka: { key: { type: 'string', description: sentence(topic.key) }, bindingVersion: BINDING_VERSION } },
    ...(sample === undefined ? {} : { examples: [{ name: `${type}Sample`, payload: sample }] }),
  };
}

/** One channel for all of them: every topic may have one, those of a Source too. */
function deadLetters(topics) {
  return {
    address: '{topic}.dead-letters',
    title: 'dead letters',
    description:
      'What a consumer could not take from a topic: the original key, bytes and headers, and beside them why. Made when the first letter is written, with one partition. Nothing is dropped.',
    parameters: {
      topic: { description: 'The topic the record was on: one of ours, or the topic of a Source.', examples: topics },
    },
    messages: { deadLetter: { $ref: '#/components/messages/deadLetter' } },
    bindings: { kafka: { partitions: 1, bindingVersion: BINDING_VERSION } },
  };
}

function deadLetterMessage() {
  return {
    name: 'deadLetter',
    title: 'Dead letter',
    summary: 'A record that a consumer could not take.',
    contentType: 'application/octet-stream',
    headers: {
      description: 'The headers of the original record, and these.',
      ...headers(DEAD_LETTER_ENVELOPE.map((header) => ({ ...header, required: true }))),
    },
    payload: { description: 'The original value, byte for byte. It may be anything.' },
    bindings: { kafka: { key: { type: ['string', 'null'], description: 'The original key.' }, bindingVersion: BINDING_VERSION } },
  };
}

function operationsOf(topics) {
  const named = topics.flatMap(({ name, kind }) => [
    [
      `append.${name}`,
      {
        action: 'send',
        channel: { $ref: `#/channels/${name}` },
        summary: kind === 'decisions' ? 'A replica appends what it has decided.' : 'A service appends what has happened.',
      },
    ],
    [
      `read.${name}`,
      {
        action: 'receive',
        channel: { $ref: `#/channels/${name}` },
        summary: kind === 'decisions' ? 'Every replica folds the decisions.' : 'Projections fold the facts into stores.',
      },
    ],
  ]);
  named.push([
    `append.${DEAD_LETTERS}`,
    { action: 'send', channel: { $ref: `#/channels/${DEAD_LETTERS}` }, summary: 'A consumer puts aside what it could not take.' },
  ]);
  return Object.fromEntries(named);
}

/** Headers of Kafka are texts, whatever they say. */
function headers(list) {
  return {
    type: 'object',
    properties: Object.fromEntries(list.map(({ name, schema, meaning }) => [name, { type: 'string', description: meaning, ...schema }])),
    required: list.filter(({ required }) => required).map(({ name }) => name),
  };
}
