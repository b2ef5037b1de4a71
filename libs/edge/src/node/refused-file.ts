import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { QueuedPrediction, RefusedPrediction } from '../core/prediction-queue.js';
import { cutTornLine, objectIn, replaceFile, syncDirectory } from './durable-files.js';

/** Below a queue's directory: what the platform would not have, a line each. */
export const REFUSED = 'refused.jsonl';

/**
 * What was refused, whole and with the reason, for a person to look at and to send again. Appended and synced before it counts as refused; cut off in between, the
 * same prediction is refused once more, and its later line stands.
 */
export class RefusedFile {
  readonly #directory: string;
  #count: number;

  private constructor(directory: string, count: number) {
    this.#directory = directory;
    this.#count = count;
  }

  static async open(directory: string): Promise<RefusedFile> {
    const path = join(directory, REFUSED);
    await cutTornLine(path).catch(missing);
    return new RefusedFile(directory, (await linesOf(path)).length);
  }

  /** Gives how many of the oldest gave way, as no more than so many are kept. */
  async add(refused: readonly RefusedPrediction[], limit: number): Promise<number> {
    if (refused.length === 0) return 0;
    const lines = refused.map((one) => JSON.stringify(one));
    const over = this.#count + lines.length - limit;
    if (over > 0) {
      await this.#replace([...(await this.#lines()), ...lines].slice(-limit));
      return over;
    }
    const handle = await open(join(this.#directory, REFUSED), 'a');
    try {
      await handle.appendFile(`${lines.join('\n')}\n`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await syncDirectory(this.#directory);
    this.#count += lines.length;
    return 0;
  }

  /** Those that can be sent again, each once: earlier runners kept no more than the reason. */
  async predictions(): Promise<QueuedPrediction[]> {
    const found = new Map<string, QueuedPrediction>();
    for (const line of await this.#lines()) {
      const prediction = predictionIn(line);
      if (prediction) found.set(prediction.id, prediction);
    }
    return [...found.values()];
  }

  /** Forgets predictions; other lines stay as they are. */
  async remove(predictions: readonly QueuedPrediction[]): Promise<void> {
    if (predictions.length === 0) return;
    const gone = new Set(predictions.map(({ id }) => id));
    const lines = await this.#lines();
    await this.#replace(
      lines.filter((line) => {
        const prediction = predictionIn(line);
        return prediction === undefined || !gone.has(prediction.id);
      }),
    );
  }

  #lines(): Promise<string[]> {
    return linesOf(join(this.#directory, REFUSED));
  }

  async #replace(lines: readonly string[]): Promise<void> {
    await replaceFile(this.#directory, REFUSED, lines.map((line) => `${line}\n`).join(''));
    this.#count = lines.length;
  }
}

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(missing);
  return (text ?? '').split('\n').filter((line) => line !== '');
}

function predictionIn(line: string): QueuedPrediction | undefined {
  const { prediction } = (objectIn(line) ?? {}) as Partial<RefusedPrediction>;
  return typeof prediction?.id === 'string' && typeof prediction.of === 'object' ? prediction : undefined;
}

/** Only a file that is not there is one without lines: what cannot be read must not be written over. */
function missing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
