/**
 * Memory of a session by the bytes of its graph: 1.33 times was measured for graphs of 20 to 200 MB of weights (the
 * runtime packs matrices anew for its kernels); what runs need comes on top.
 */
const MEMORY_PER_BYTE = 1.5;
/** A thread with the runtime loaded, before any graph. */
const THREAD_BYTES = 24 << 20;

/** About what a session takes in this process. */
export function sessionMemory(graphBytes: number): number {
  return Math.ceil(graphBytes * MEMORY_PER_BYTE);
}

/** About what a session takes with the worker thread it runs in. */
export function threadMemory(graphBytes: number): number {
  return sessionMemory(graphBytes) + THREAD_BYTES;
}
