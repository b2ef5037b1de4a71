export { afterUnreadable } from './after-unreadable.js';
export {
  decodeDecision,
  decodeFact,
  decodeFactHead,
  encodeDecision,
  encodeFact,
  formatEventType,
  parseEventType,
  parseJson,
  traceparentOf,
  type CloudEvent,
  type EventType,
  type Parsed,
} from './cloud-events.js';
export { decodeOnce } from './decode-once.js';
export {
  deadLetterOf,
  deadLetterTopic,
  deadLetterTopicOf,
  readDeadLetter,
  type DeadLetter,
  type DeadLetterReason,
} from './dead-letters.js';
export type {
  EventLog,
  Headers,
  LogBatch,
  LogRecord,
  NewRecord,
  SubscribeOptions,
  Subscription,
  TopicSpec,
  UnreadableRecord,
} from './event-log.js';
export { factDecoder, type LoggedFact } from './fact-decoder.js';
export {
  LogConsumer,
  oneByOne,
  type BatchResult,
  type ConsumerObserver,
  type Decoded,
  type Item,
  type ItemBatch,
  type LogConsumerOptions,
} from './log-consumer.js';
export { JsonText } from './json-text.js';
export { LogJournal } from './log-journal.js';
export { partitionOf } from './partition.js';
export { DEAD_LETTER, OK, RETRY, SKIP, type Result } from './result.js';
export { WrittenLetters, type WrittenLettersOptions } from './written-letters.js';
