export interface WaitOptions {
  /** What is waited for, for the message when it does not come. */
  readonly what?: string;
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Asks until the answer is neither `undefined`, `null` nor `false`, and returns it. For conditions nobody announces; whoever can
 * await a position or a promise should. An answer that throws counts as "not yet", and is the cause when time runs out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const { what = 'the condition', timeoutMs = 30_000, intervalMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (answer !== undefined && answer !== null && answer !== false) return answer as Exclude<T, undefined | null | false>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${what} in vain`, cause === undefined ? undefined : { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
