import type { Io } from '../io.js';

const EVERY_MS = 100;
/** Back to the beginning of the line, which is emptied. */
export const CLEAR_LINE = '\r\u001b[K';

/** One line about a transfer that is under way, written over as it goes on. Nothing is shown where nobody watches. */
export class Progress {
  #done = 0;
  #shownAt = Number.NEGATIVE_INFINITY;
  readonly #startedAt: number;

  /** `total`: bytes of all files, where known. */
  constructor(
    private readonly io: Pick<Io, 'err' | 'isInteractive'>,
    private readonly total: number | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#startedAt = now();
  }

  get done(): number {
    return this.#done;
  }

  /** More bytes of `name` have gone over. */
  add(name: string, bytes: number): void {
    this.#done += bytes;
    const now = this.now();
    if (!this.io.isInteractive || now - this.#shownAt < EVERY_MS) return;
    this.#shownAt = now;
    this.io.err(`${CLEAR_LINE}${this.#line(name, now)}`);
  }

  /** Takes the line away again. */
  end(): void {
    if (this.io.isInteractive && Number.isFinite(this.#shownAt)) this.io.err(CLEAR_LINE);
  }

  #line(name: string, now: number): string {
    const seconds = Math.max(0.001, (now - this.#startedAt) / 1000);
    const speed = this.#done / seconds;
    const rate = `${sizeText(speed)}/s`;
    if (this.total === undefined || this.total === 0) return `${name}  ${sizeText(this.#done)}  ${rate}`;
    const share = Math.min(100, Math.floor((100 * this.#done) / this.total));
    const left = speed > 0 ? `, ${Math.ceil(Math.max(0, this.total - this.#done) / speed)} s left` : '';
    return `${name}  ${sizeText(this.#done)} of ${sizeText(this.total)} (${share}%)  ${rate}${left}`;
  }
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit < UNITS.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${unit === 0 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`;
}
