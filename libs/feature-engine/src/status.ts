/** What a served value is; the numbers are those of Feast's `FieldStatus`. */
export const Status = {
  /** The online store no longer holds what this time needs; the offline store does. The value is null. */
  INVALID: 0,
  PRESENT: 1,
  /** The entity is known; the value is null. */
  NULL_VALUE: 2,
  /** No event of the entity at or before this time. */
  NOT_FOUND: 3,
  /** The latest value is older than the view's ttl. */
  OUTSIDE_MAX_AGE: 4,
} as const;

export type Status = (typeof Status)[keyof typeof Status];

/** Names by number, as they go on the wire. */
export const STATUS_NAMES = ['INVALID', 'PRESENT', 'NULL_VALUE', 'NOT_FOUND', 'OUTSIDE_MAX_AGE'] as const;
