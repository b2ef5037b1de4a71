import { isFault } from '@millrace/kernel';

/**
 * Where to go on after a read that ended in `MR_RECORD_UNREADABLE`; `undefined` for any other error. The bytes of what is passed over are in the
 * dead letters: the reader that keeps them puts them there.
 */
export function afterUnreadable(error: unknown): number | undefined {
  if (!isFault(error) || error.code !== 'MR_RECORD_UNREADABLE') return undefined;
  const { nextOffset } = error.details;
  return typeof nextOffset === 'number' ? nextOffset : undefined;
}
