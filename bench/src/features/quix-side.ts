import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureVenv, repositoryRoot, startProcess, type Venv } from '@millrace/testing';

const VERSION = '3.28.1';
/** Not under `dist/`: Python is not built. */
const SCRIPT = join(repositoryRoot, 'bench', 'src', 'features', 'quix_windows.py');

/** What one application prints. */
interface Seen {
  readonly events: number;
  readonly results: number;
  /** Seconds since the epoch. */
  readonly first: number;
  readonly last: number;
}

/**
 * Quix Streams over a topic. Its clock runs from the first event processed to the last: starting Python, joining the group and the last commit do
 * not count. It keeps no changelog topic and its results go nowhere, both of which spare it work that it would have in operation.
 */
export class QuixSide {
  static readonly label = `Quix Streams ${VERSION}`;

  private constructor(
    private readonly venv: Venv,
    private readonly directory: string,
    private readonly brokers: string,
    private readonly topic: string,
  ) {}

  static async open(directory: string, brokers: string, topic: string): Promise<QuixSide> {
    return new QuixSide(await ensureVenv('quix', [`quixstreams==${VERSION}`]), directory, brokers, topic);
  }

  /** Events per second through `processes` applications of one group; throws unless they have processed `count` events. */
  async rate(turn: string, processes: number, count: number, windows: 'tumbling' | 'sliding' = 'tumbling'): Promise<number> {
    const group = `quix-${turn}`;
    const seen = await Promise.all(
      Array.from({ length: processes }, async (_, index) => {
        const state = join(this.directory, `${group}-${index}`);
        mkdirSync(state, { recursive: true });
        const options = { brokers: this.brokers, topic: this.topic, group, state, windows };
        const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
        // Started so that it does not outlive a benchmark that is cut short.
        const process = await startProcess({ name: group, command: this.venv.python, args: [SCRIPT, ...args] });
        await process.exited;
        return seenOf(process.output());
      }),
    );
    const events = seen.reduce((sum, one) => sum + one.events, 0);
    if (events !== count) throw new Error(`Quix Streams has processed ${events} events, not ${count}`);
    const busy = seen.filter((one) => one.events > 0);
    return count / (Math.max(...busy.map((one) => one.last)) - Math.min(...busy.map((one) => one.first)));
  }
}

/** The line that is JSON: libraries put warnings beside it. */
function seenOf(output: string): Seen {
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`no result from Quix Streams:\n${output.slice(-2000)}`);
  return JSON.parse(line) as Seen;
}
