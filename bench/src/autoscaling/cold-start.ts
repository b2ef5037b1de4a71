import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from '../bench-result.js';
import { startInference, type Phases } from './inference-process.js';

const ROUNDS = 3;

export interface ColdStarts {
  /** Nothing folded before, no code compiled before. */
  readonly cold: Phases;
  /** The same, with compiled code, as in the image. */
  readonly compiled: Phases;
  /** Compiled code, and a data directory that has been used. */
  readonly warm: Phases;
}

/** Starts the inference service again and again: middle of each phase. The code that is compiled is kept in `cache`. */
export async function coldStarts(directory: string, cache: string): Promise<ColdStarts> {
  const compiled = { NODE_COMPILE_CACHE: cache };
  const start = async (env: Readonly<Record<string, string>>, isFolded: boolean): Promise<Phases> => {
    if (!isFolded) await rm(join(directory, 'state'), { recursive: true, force: true });
    const { process: running, phases } = await startInference(directory, env);
    await running.stop(30_000);
    return phases;
  };
  await start(compiled, false);
  const seen = { cold: [] as Phases[], compiled: [] as Phases[], warm: [] as Phases[] };
  for (let round = 0; round < ROUNDS; round++) {
    seen.cold.push(await start({}, false));
    seen.compiled.push(await start(compiled, false));
    seen.warm.push(await start(compiled, true));
  }
  return { cold: middle(seen.cold), compiled: middle(seen.compiled), warm: middle(seen.warm) };
}

function middle(all: readonly Phases[]): Phases {
  const of = (phase: keyof Phases): number => median(all.map((one) => one[phase]));
  return { codeMs: of('codeMs'), openedMs: of('openedMs'), readyMs: of('readyMs'), answeredMs: of('answeredMs'), loadedMs: of('loadedMs') };
}
