import { mkdir, open, readdir, readFile, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { edgeId } from '../core/edge-id.js';
import type { PredictionQueue, QueueCounts, QueuedPrediction, Settled } from '../core/prediction-queue.js';
import { cutTornLine, objectIn, replaceFile, syncDirectory } from './durable-files.js';
import { RefusedFile } from './refused-file.js';

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

/**
 * A queue in a directory: predictions in files of a line each, every line synced before it counts, and `place.json` with how far they are done. A file whose
 * predictions are all done is removed. The last line of a process that was killed while it wrote, or whose disk was full, is cut off: nobody was told of that prediction. A line that
 * cannot be read counts as dropped, and a `place.json` that cannot is begun anew: what was sent before is sent again, which does no harm, and what follows is not held up.
 */
export class FileQueue implements PredictionQueue {
  readonly #options: Required<FileQueueOptions>;
  #place: Place;
  /** Ids of what waits, by number, in order. */
  readonly #waiting: Map<number, string>;
  #next: number;
  readonly #refused: RefusedFile;
  #file: { readonly start: number; readonly handle: FileHandle } | undefined;
  /** Changes one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: Required<FileQueueOptions>, place: Place, waiting: Map<number, string>, next: number, refused: RefusedFile) {
    this.#options = options;
    this.#place = place;
    this.#waiting = waiting;
    this.#next = next;
    this.#refused = refused;
  }

  /** Opens the queue of a directory, or makes it. Fails while another process has it. */
  static async open(given: FileQueueOptions): Promise<FileQueue> {
    const options = { segment: SEGMENT, ...given };
    const { directory, now } = options;
    await mkdir(directory, { recursive: true });
    await lock(directory);
    const read = await readFile(join(directory, PLACE), 'utf8').catch(() => undefined);
    const known = placeIn(read);
    const place: Place = known ?? { device: edgeId(now()), first: 0, done: [], sent: 0, dropped: 0, refused: 0 };
    const waiting = new Map<number, string>();
    const unreadable: number[] = [];
    let next = place.first;
    const done = new Set(place.done);
    for (const start of await segmentsIn(directory)) {
      const path = join(directory, nameOf(start));
      await cutTornLine(path);
      const predictions = await readSegment(path);
      for (const [index, prediction] of predictions.entries()) {
        const number = start + index;
        if (number < place.first || done.has(number) || prediction === BLANK) continue;
        if (prediction) waiting.set(number, prediction.id);
        else unreadable.push(number);
      }
      next = Math.max(next, start + predictions.length);
    }
    const queue = new FileQueue(options, place, waiting, next, await RefusedFile.open(directory));
    if (!known) await queue.#write(place);
    if (unreadable.length > 0) await queue.#finish(unreadable, { dropped: unreadable.length });
    return queue;
  }

  get device(): string {
    return this.#place.device;
  }

  add(prediction: QueuedPrediction): Promise<void> {
    return this.#inTurn(async () => {
      const file = await this.#fileOf(this.#next);
      try {
        await file.handle.appendFile(`${JSON.stringify(prediction)}\n`);
        await file.handle.datasync();
      } catch (error) {
        // What was written of it would be the beginning of the next one's line.
        await this.#letGo();
        throw error;
      }
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
        for (const number of inside) {
          const prediction = predictions[number - start];
          if (prediction && prediction !== BLANK) found.push(prediction);
        }
      }
      return found;
    });
  }

  settle({ sent, refused }: Settled): Promise<void> {
    return this.#inTurn(async () => {
      const numbers = new Map([...this.#waiting].map(([number, id]) => [id, number]));
      const numbersOf = (ids: readonly string[]): number[] => ids.flatMap((id) => numbers.get(id) ?? []);
      const aside = refused.filter(({ id }) => numbers.has(id));
      const over = await this.#refused.add(aside, this.#options.limit);
      const [taken, given] = [numbersOf(sent), numbersOf(aside.map(({ id }) => id))];
      await this.#finish([...taken, ...given], { sent: taken.length, refused: given.length - over, dropped: over });
    });
  }

  /** They wait before they leave `refused.jsonl`: cut off in between, some are sent twice, which counts once. */
  async retryRefused(): Promise<number> {
    const again = await this.#inTurn(() => this.#refused.predictions());
    for (const prediction of again) await this.add(prediction);
    await this.#inTurn(async () => {
      await this.#refused.remove(again);
      await this.#finish([], { refused: -again.length });
    });
    return again.length;
  }

  async counts(): Promise<QueueCounts> {
    const { sent, dropped, refused } = this.#place;
    return { waiting: this.#waiting.size, sent, dropped, refused };
  }

  /** Lets go of the directory. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#letGo());
    await rm(join(this.#options.directory, LOCK), { force: true });
  }

  /** A file has a fixed range of numbers, so that a number says where it lies. */
  async #fileOf(number: number): Promise<{ readonly handle: FileHandle }> {
    const start = number - (number % this.#options.segment);
    if (this.#file?.start === start) return this.#file;
    await this.#letGo();
    const path = join(this.#options.directory, nameOf(start));
    const handle = await open(path, 'a');
    try {
      await leaveLines(handle, await readFile(path), number - start);
      await syncDirectory(this.#options.directory);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#file = { start, handle };
    return this.#file;
  }

  async #letGo(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #finish(numbers: readonly number[], more: Partial<Pick<Place, 'sent' | 'dropped' | 'refused'>>): Promise<void> {
    const finished = new Set(numbers);
    const { sent, dropped, refused } = this.#place;
    let first = this.#next;
    for (const number of this.#waiting.keys()) {
      if (finished.has(number)) continue;
      first = number;
      break;
    }
    const before = [...this.#place.done, ...numbers];
    const place = {
      ...this.#place,
      ...{ first, done: before.filter((number) => number > first) },
      ...{ sent: sent + (more.sent ?? 0), dropped: dropped + (more.dropped ?? 0), refused: Math.max(0, refused + (more.refused ?? 0)) },
    };
    // Where this cannot be written they wait on: sent twice is better than counted wrong.
    await this.#write(place);
    for (const number of numbers) this.#waiting.delete(number);
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

/**
 * Leaves a file so many lines, as the next one's place in it is its number. What a full disk left of one that nobody was told of goes; those that were done and removed
 * before the file was made are blank.
 */
async function leaveLines(handle: FileHandle, bytes: Buffer, count: number): Promise<void> {
  let [lines, end] = [0, 0];
  while (lines < count) {
    const next = bytes.indexOf('\n', end) + 1;
    if (next === 0) break;
    end = next;
    lines++;
  }
  if (end < bytes.length) await handle.truncate(end);
  if (lines < count) await handle.appendFile('\n'.repeat(count - lines));
}

/** A line of a prediction that was done and removed before its file was made. */
const BLANK = 'blank';

/** Each line's prediction; `undefined` of one that the disk has spoilt. */
async function readSegment(path: string): Promise<(QueuedPrediction | typeof BLANK | undefined)[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (line === '' ? BLANK : predictionIn(line)));
}

function predictionIn(line: string): QueuedPrediction | undefined {
  const value = objectIn(line) as Partial<QueuedPrediction> | undefined;
  return typeof value?.id === 'string' && typeof value.of === 'object' ? (value as QueuedPrediction) : undefined;
}

function placeIn(text: string | undefined): Place | undefined {
  const place = objectIn(text ?? '') as Partial<Place> | undefined;
  const isWhole =
    typeof place?.device === 'string' &&
    Array.isArray(place.done) &&
    [place.first, place.sent, place.dropped, place.refused].every((count) => Number.isSafeInteger(count));
  return isWhole ? (place as Place) : undefined;
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
