/**
 * Bytes of memory a process may use, of what `process.constrainedMemory()` and `os.totalmem()` say. Where no cgroup sets a bound, Node says 0 or a number far
 * beyond any machine's memory, by how the system is set up.
 */
export function usableMemory(constrained: number, total: number): number {
  return constrained > 0 ? Math.min(constrained, total) : total;
}
