const RANDOM_DIGITS = 8;

/** Where a generated id lies among all, 0 to 1: the last digits of a UUIDv7 are random. What is decided by it is decided alike by everybody, whenever it is asked. */
export function shareOf(id: string): number {
  return Number.parseInt(id.slice(-RANDOM_DIGITS), 16) / 16 ** RANDOM_DIGITS;
}
