import { Fault, isFault } from '@millrace/kernel';
import type { KafkaError } from './kafkajs-internals.js';

/** Answers that no repetition changes: the request, the credentials or the rights are wrong. */
const FINAL = new Map([
  ['TOPIC_AUTHORIZATION_FAILED', 'MR_LOG_FORBIDDEN'],
  ['GROUP_AUTHORIZATION_FAILED', 'MR_LOG_FORBIDDEN'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'MR_LOG_FORBIDDEN'],
  ['SASL_AUTHENTICATION_FAILED', 'MR_LOG_FORBIDDEN'],
  ['UNSUPPORTED_SASL_MECHANISM', 'MR_LOG_FORBIDDEN'],
  ['INVALID_TOPIC_EXCEPTION', 'MR_TOPIC_INVALID'],
  ['INVALID_PARTITIONS', 'MR_TOPIC_INVALID'],
  ['INVALID_REPLICATION_FACTOR', 'MR_TOPIC_INVALID'],
  ['INVALID_CONFIG', 'MR_TOPIC_INVALID'],
  ['POLICY_VIOLATION', 'MR_TOPIC_INVALID'],
  ['INVALID_RECORD', 'MR_LOG_REFUSED'],
  ['INVALID_TIMESTAMP', 'MR_LOG_REFUSED'],
  ['UNSUPPORTED_VERSION', 'MR_LOG_REFUSED'],
]);

/** Any error of the client as a {@link Fault}: what was being done, whether repeating it can help, and the cause. */
export function faultOf(error: unknown, doing: string): Fault {
  if (isFault(error)) return error;
  const { type, name, message } = error as KafkaError;
  const code = FINAL.get(type ?? '') ?? (name === 'KafkaJSSASLAuthenticationError' ? 'MR_LOG_FORBIDDEN' : undefined);
  const text = `${doing} failed: ${message}${type === undefined ? '' : ` (${type})`}`;
  return new Fault(code ?? 'MR_LOG_UNAVAILABLE', text, code === undefined, { cause: error });
}

export function topicUnknown(topic: string): Fault {
  return new Fault('MR_TOPIC_UNKNOWN', `there is no topic ${topic}; make it with ensureTopic before using it`, false);
}

export function partitionUnknown(topic: string, partition: number, count: number): Fault {
  return new Fault('MR_PARTITION_UNKNOWN', `${topic} has partitions 0 to ${count - 1}, not ${partition}`, false);
}

export function logClosed(): Fault {
  return new Fault('MR_LOG_CLOSED', 'the event log has been closed', false);
}
