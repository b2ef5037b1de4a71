import { Fault, isFault, type CommandMetadata } from '@millrace/kernel';
import { runOf } from '../domain/materialization/materialization.decider.js';
import type { Asked, Materializations } from './materializations.js';

/**
 * Materializes an interval of each of these sources and resolves when all of it is in their tables. A run that is under way is waited for first.
 * Throws `MR_FEATURES_MATERIALIZATION_FAILED` when one fails or is cancelled, and a retryable fault at the deadline: the runs go on then.
 */
export async function materializeSources(
  materializations: Materializations,
  sources: readonly string[],
  asked: Asked,
  metadata: CommandMetadata,
  { now, deadlineMs }: { readonly now: () => number; readonly deadlineMs: number },
): Promise<void> {
  const deadline = now() + deadlineMs;
  const settle = async (source: string, id: string): Promise<void> => {
    if (await materializations.settled(source, id, Math.max(1, deadline - now()))) return;
    throw new Fault('MR_DEADLINE_EXCEEDED', `materialization ${id} of ${source} takes longer; it goes on, ask again later`, true);
  };
  await Promise.all(
    sources.map(async (source) => {
      const id = await begin(materializations, source, asked, metadata, (running) => settle(source, running));
      if (id === undefined) return;
      await settle(source, id);
      const run = runOf(materializations.state(source), id);
      if (run?.status === 'finished') return;
      const reason = run?.failure?.message ?? `it is ${run?.status ?? 'unknown'}`;
      throw new Fault('MR_FEATURES_MATERIALIZATION_FAILED', `materialization ${id} of ${source}: ${reason}`, false);
    }),
  );
}

/** The run's id; `undefined`: what is asked for goes on from where it already is. */
async function begin(
  materializations: Materializations,
  source: string,
  asked: Asked,
  metadata: CommandMetadata,
  settle: (id: string) => Promise<void>,
): Promise<string | undefined> {
  for (;;) {
    try {
      return (await materializations.request(source, asked, metadata)).id;
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.code === 'MR_FEATURES_MATERIALIZATION_INVALID' && asked.from === undefined) return undefined;
      if (error.code !== 'MR_FEATURES_MATERIALIZATION_RUNNING') throw error;
      await settle(String(error.details['materializationId']));
    }
  }
}
