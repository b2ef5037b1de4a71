/** What a broker's answer means for a batch. */
export type ProduceOutcome =
  | 'written'
  /** Not written; another broker may take it, or this one later. */
  | 'elsewhere'
  /** May be written; sending the same batch again is safe, because its sequence names it. */
  | 'again'
  /** Not written: more bytes than the broker takes at once. */
  | 'too-large'
  /** The broker does not know this producer, or lost count of it. */
  | 'producer-lost'
  /** Not written, and never will be. */
  | 'refused';

const OUTCOMES: Readonly<Record<number, ProduceOutcome>> = {
  0: 'written',
  2: 'again', // CORRUPT_MESSAGE: damaged on its way
  3: 'elsewhere', // UNKNOWN_TOPIC_OR_PARTITION
  5: 'elsewhere', // LEADER_NOT_AVAILABLE
  6: 'elsewhere', // NOT_LEADER_FOR_PARTITION
  7: 'again', // REQUEST_TIMED_OUT: written here, not yet by the followers
  8: 'elsewhere', // BROKER_NOT_AVAILABLE
  10: 'too-large', // MESSAGE_TOO_LARGE
  13: 'again', // NETWORK_EXCEPTION
  18: 'too-large', // RECORD_LIST_TOO_LARGE
  19: 'again', // NOT_ENOUGH_REPLICAS
  20: 'again', // NOT_ENOUGH_REPLICAS_AFTER_APPEND
  45: 'producer-lost', // OUT_OF_ORDER_SEQUENCE_NUMBER
  46: 'producer-lost', // DUPLICATE_SEQUENCE_NUMBER: written so long ago that its offset is forgotten
  47: 'producer-lost', // INVALID_PRODUCER_EPOCH
  49: 'producer-lost', // INVALID_PRODUCER_ID_MAPPING
  56: 'elsewhere', // KAFKA_STORAGE_ERROR
  59: 'producer-lost', // UNKNOWN_PRODUCER_ID
  74: 'elsewhere', // FENCED_LEADER_EPOCH
  75: 'elsewhere', // UNKNOWN_LEADER_EPOCH
};

export function outcomeOf(errorCode: number): ProduceOutcome {
  return OUTCOMES[errorCode] ?? 'refused';
}
