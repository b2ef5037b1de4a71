export { KafkaEventLog, type KafkaEventLogOptions } from './kafka-event-log.js';
export type { Sasl } from './wire/kafkajs-internals.js';
