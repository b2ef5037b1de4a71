import type { Topology } from '@millrace/testing';
import { prepare } from './experiment.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';
import type { SeededRandom } from './random.js';
import { verify } from './verify.js';

export interface KillLoopResult {
  readonly kind: Topology['kind'];
  readonly kills: number;
  readonly acknowledgedRuns: number;
  readonly acknowledgedBatches: number;
  readonly acknowledgedEvents: number;
  readonly unknownRuns: number;
  readonly unknownEvents: number;
  readonly violations: readonly string[];
  readonly seconds: number;
}

const CLIENTS = 8;
/** How long the load runs before the axe falls: from the first request to well into the projections' work. */
const LIFE_MS = { low: 50, high: 900 } as const;

/** What a loop may be asked for beyond its kills. */
export interface KillLoopOptions {
  /** Calls of log-batch to be acknowledged in all, spread over the kills; without it lives are short. */
  readonly batches?: number;
}

/**
 * Load, kill -9 at a random moment, restart, hold what is there against what was acknowledged; `kills` times. Every
 * verification covers everything acknowledged since the beginning.
 */
export async function killLoop(
  topology: Topology,
  kills: number,
  random: SeededRandom,
  say: (line: string) => void,
  { batches }: KillLoopOptions = {},
): Promise<KillLoopResult> {
  const started = Date.now();
  const ledger = new Ledger();
  const violations: string[] = [];
  await topology.start();
  try {
    const load = new Load(topology.url, ledger, random, await prepare(topology.url));
    for (let kill = 1; kill <= kills; kill++) {
      const victim = random.pick(topology.services);
      load.start(CLIENTS);
      while (batches !== undefined && ledger.batches < (batches * kill) / kills) await pause(5);
      await pause(random.between(LIFE_MS.low, LIFE_MS.high));
      await victim.kill();
      await load.stop();
      await victim.start();
      const verdict = await verify(topology, ledger);
      violations.push(...verdict.violations.map((violation) => `after kill ${kill} of ${victim.name}: ${violation}`));
      const counts = `${verdict.acknowledgedRuns} runs, ${ledger.batches} batches, ${verdict.acknowledgedEvents} events acknowledged`;
      say(`${topology.kind} ${kill}/${kills}: killed ${victim.name}; ${counts}; ${verdict.violations.length} violations`);
      for (const violation of verdict.violations.slice(0, 5)) say(`  ${violation}`);
    }
  } finally {
    await topology.stop();
  }
  return {
    kind: topology.kind,
    kills,
    acknowledgedRuns: ledger.runs.length,
    acknowledgedBatches: ledger.batches,
    acknowledgedEvents: ledger.events.size,
    unknownRuns: ledger.unknownRuns,
    unknownEvents: ledger.unknownEvents,
    violations,
    seconds: Math.round((Date.now() - started) / 1000),
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
