import { editDistance } from '@millrace/kernel';

/** The name that differs least, if it differs by little. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = name.length < 4 ? 2 : 3;
  for (const other of names) {
    // Anything farther apart in length is farther apart in letters.
    if (Math.abs(other.length - name.length) >= least) continue;
    const distance = editDistance(name.toLowerCase(), other.toLowerCase());
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}
