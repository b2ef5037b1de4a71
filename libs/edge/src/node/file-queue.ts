import { mkdir, open, readdir, readFile, rename, rm, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { edgeId } from '../core/edge-id.js';
import { REFUSED_KEPT, type PredictionQueue, type QueueCounts, type QueuedPrediction, type Settled } from '../core/prediction-queue.js';

export interface FileQueueOptions {
  readonly directory: string;
  /** Predictions that may wait; beyond it the oldest is given up. */
  readonly limit: number;
  /** Predictions of one file. */
  readonly segment?: number;
  readonly now: () => number;
}

/** What is known beside the predictions themselves; written whole with each change. */
interface Place {
  readonly device: string;
  /** Number of the first prediction that is not done. */
  readonly first: number;
  /** Numbers after it that are done. */
  readonly done: readonly number[];
  readonly sent: number;
  readonly dropped: number;
  readonly refused: number;
}

const SEGMENT = 1_000;
const SEGMENT_NAME = /^predictions-(\d{12})\.jsonl$/;
const PLACE = 'place.json';
const LOCK = 'lock';
const REFUSED = 'refused.jsonl';

/**
 * A queue in a directory: predictions in files of a line each, every line synced before it counts, and `place.json` with how far they are done. A file whose
 * predictions are all done is removed. The last line of a process that was killed while it wrote is cut off: nobody was told of that prediction.
 */
export class FileQueue implements PredictionQueue {
  readonly #options: Required<FileQueueOptions>;
  #place: Place;
  /** Ids of what waits, by number, in order. */
  readonly #waiting: Map<number, string>;
  #next: number;
  #file: { readonly start: number; readonly handle: FileHandle } | undefined;
  /** Changes one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: Required<FileQueueOptions>, place: Place, waiting: Map<number, string>, next: number) {
    this.#options = options;
    this.#place = place;
    this.#waiting = waiting;
    this.#next = next;
  }

  /** Opens the queue of a directory, or makes it. Fails while another process has it. */
  static async open(given: FileQueueOptions): Promise<FileQueue> {
    const options = { segment: SEGMENT, ...given };
    const { directory, now } = options;
    await mkdir(directory, { recursive: true });
    await lock(directory);
    const read = await readFile(join(directory, PLACE), 'utf8').catch(() => undefined);
    const place: Place =
      read === undefined ? { device: edgeId(now()), first: 0, done: [], sent: 0, dropped: 0, refused: 0 } : (JSON.parse(read) as Place);
    const waiting = new Map<number, string>();
    let next = place.first;
    const done = new Set(place.done);
    for (const start of await segmentsIn(directory)) {
      const path = join(directory, nameOf(start));
      await cutTornLine(path);
      const predictions = await readSegment(path);
      predictions.forEach(({ id }, index) => {
        if (start + index >= place.first && !done.has(start + index)) waiting.set(start + index, id);
      });
      next = Math.max(next, start + predictions.length);
    }
    const queue = new FileQueue(options, place, waiting, next);
    if (read === undefined) await queue.#write(place);
    return queue;
  }

  get device(): string {
    return this.#place.device;
  }

  add(prediction: QueuedPrediction): Promise<void> {
    return this.#inTurn(async () => {
      const file = await this.#fileOf(this.#next);
      await file.handle.appendFile(`${JSON.stringify(prediction)}\n`);
      await file.handle.datasync();
      this.#waiting.set(this.#next++, prediction.id);
      const over = [...this.#waiting.keys()].slice(0, Math.max(0, this.#waiting.size - this.#options.limit));
      if (over.length > 0) await this.#finish(over, { dropped: over.length });
    });
  }

  oldest(count: number): Promise<readonly QueuedPrediction[]> {
    return this.#inTurn(async () => {
      const wanted = [...this.#waiting.keys()].slice(0, count);
      const found: QueuedPrediction[] = [];
      for (const start of await segmentsIn(this.#options.directory)) {
        const inside = wanted.filter((number) => number >= start && number < start + this.#options.segment);
        if (inside.length === 0) continue;
        const predictions = await readSegment(join(this.#options.directory, nameOf(start)));
        for (const number of inside) found.push(predictions[number - start] as QueuedPrediction);
      }
      return found;
    });
  }

  settle({ sent, refused }: Settled): Promise<void> {
    return this.#inTurn(async () => {
      const numbers = new Map([...this.#waiting].map(([number, id]) => [id, number]));
      const numbersOf = (ids: readonly string[]): number[] => ids.flatMap((id) => numbers.get(id) ?? []);
      const aside = refused.filter(({ id }) => numbers.has(id));
      if (aside.length > 0) await this.#putAside(aside);
      const [taken, given] = [numbersOf(sent), numbersOf(aside.map(({ id }) => id))];
      await this.#finish([...taken, ...given], { sent: taken.length, refused: given.length });
    });
  }

  async counts(): Promise<QueueCounts> {
    const { sent, dropped, refused } = this.#place;
    return { waiting: this.#waiting.size, sent, dropped, refused };
  }

  /** Lets go of the directory. */
  async close(): Promise<void> {
    await this.#inTurn(async () => this.#file?.handle.close());
    await rm(join(this.#options.directory, LOCK), { force: true });
  }

  /** A file has a fixed range of numbers, so that a number says where it lies. */
  async #fileOf(number: number): Promise<{ readonly handle: FileHandle }> {
    const start = number - (number % this.#options.segment);
    if (this.#file?.start === start) return this.#file;
    await this.#file?.handle.close();
    const path = join(this.#options.directory, nameOf(start));
    const handle = await open(path, 'a');
    // What was done and removed before it still counts as lines of it.
    const { size } = await handle.stat();
    if (size === 0 && number > start) await handle.appendFile('\n'.repeat(number - start));
    await syncDirectory(this.#options.directory);
    this.#file = { start, handle };
    return this.#file;
  }

  async #finish(numbers: readonly number[], more: Partial<Pick<Place, 'sent' | 'dropped' | 'refused'>>): Promise<void> {
    for (const number of numbers) this.#waiting.delete(number);
    const { sent, dropped, refused } = this.#place;
    const [first = this.#next] = this.#waiting.keys();
    const before = [...this.#place.done, ...numbers];
    const place = {
      ...this.#place,
      ...{ first, done: before.filter((number) => number > first) },
      ...{ sent: sent + (more.sent ?? 0), dropped: dropped + (more.dropped ?? 0), refused: refused + (more.refused ?? 0) },
    };
    await this.#write(place);
    const { directory, segment } = this.#options;
    for (const start of await segmentsIn(directory)) {
      if (start + segment <= first) await rm(join(directory, nameOf(start)), { force: true });
    }
  }

  async #write(place: Place): Promise<void> {
    const { directory } = this.#options;
    await replaceFile(directory, PLACE, `${JSON.stringify(place)}\n`);
    this.#place = place;
  }

  async #putAside(refused: Settled['refused']): Promise<void> {
    const path = join(this.#options.directory, REFUSED);
    const before = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    const lines = [...before, ...refused.map((one) => JSON.stringify(one))].slice(-REFUSED_KEPT);
    await replaceFile(this.#options.directory, REFUSED, `${lines.join('\n')}\n`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function nameOf(start: number): string {
  return `predictions-${String(start).padStart(12, '0')}.jsonl`;
}

async function segmentsIn(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** A line without its end is one whose write never came to its end. */
async function cutTornLine(path: string): Promise<void> {
  const bytes = await readFile(path);
  const whole = bytes.lastIndexOf('\n') + 1;
  if (whole < bytes.length) await truncate(path, whole);
}

async function readSegment(path: string): Promise<QueuedPrediction[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (line === '' ? ({ id: '' } as QueuedPrediction) : (JSON.parse(line) as QueuedPrediction)));
}

async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name);
  const handle = await open(`${path}.new`, 'w');
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(directory);
}

/** A file that is new, or has a new name, outlasts a power failure only when its directory is synced. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().catch(() => undefined);
  await handle.close();
}

async function lock(directory: string): Promise<void> {
  const path = join(directory, LOCK);
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 2) throw error;
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => '0'));
    if (holder !== process.pid && isAlive(holder))
      throw new Error(`the queue ${directory} is used by process ${holder}; give each process its own with --queue`);
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
