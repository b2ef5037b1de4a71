import type { LogRecord, NewRecord, TopicSpec } from './event-log.js';
import { decodeText, encodeText } from './header-text.js';

export interface DeadLetterReason {
  /** UNREADABLE: the client could not read it. UNDECODABLE: not what the topic holds. REFUSED: the handler gave it up. */
  readonly code: 'UNREADABLE' | 'UNDECODABLE' | 'REFUSED';
  readonly message: string;
}

export function deadLetterTopicOf(topic: string): string {
  return `${topic}.dead-letters`;
}

/** A letter holds the whole record, and foreign topics may allow larger ones than ours do. */
const LARGEST_LETTER = 64 * 1024 * 1024;

/** The topic as whoever writes its first letter makes it: one that takes smaller records would hold up the next writer for good. */
export function deadLetterTopic(topic: string): TopicSpec {
  return { name: deadLetterTopicOf(topic), partitions: 1, retention: 'forever', maxRecordBytes: LARGEST_LETTER };
}

/** Kafka limits a header in practice by the record size; a reason longer than this says nothing more. */
const LONGEST_REASON = 1000;

/**
 * The letter: original key, bytes and headers, and beside them why, where from, whose and when. Its id is the origin's
 * position, so a letter written twice by a crash in between is seen to be one.
 */
export function deadLetterOf(record: LogRecord, consumer: string, reason: DeadLetterReason, now: number): NewRecord {
  return {
    topic: deadLetterTopicOf(record.topic),
    partition: 0,
    key: record.key,
    value: record.value,
    timestamp: now,
    headers: {
      ...record.headers,
      'millrace-dead-letter-id': `${record.topic}/${record.partition}@${record.offset}`,
      'millrace-dead-letter-consumer': consumer,
      'millrace-dead-letter-code': reason.code,
      'millrace-dead-letter-reason': encodeText(reason.message.slice(0, LONGEST_REASON)),
      'millrace-dead-letter-time': new Date(now).toISOString(),
    },
  };
}

export interface DeadLetter {
  readonly id: string;
  readonly consumer: string;
  readonly code: string;
  readonly reason: string;
  readonly time: string;
  readonly record: LogRecord;
}

export function readDeadLetter(record: LogRecord): DeadLetter {
  const headers = record.headers;
  return {
    id: headers['millrace-dead-letter-id'] ?? '',
    consumer: headers['millrace-dead-letter-consumer'] ?? '',
    code: headers['millrace-dead-letter-code'] ?? '',
    reason: decodeText(headers['millrace-dead-letter-reason'] ?? ''),
    time: headers['millrace-dead-letter-time'] ?? '',
    record,
  };
}
