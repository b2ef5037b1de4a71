import { asyncBufferFromFile, parquetRead, type ColumnData } from 'hyparquet';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

/** One departure, as it is sent: an event that is known when the plane has left. */
export interface Flight {
  readonly id: string;
  /** Scheduled departure, milliseconds since the epoch: when a prediction is asked. */
  readonly date: number;
  /** Real departure, `date + delay`: the event's time. */
  readonly departed: number;
  /** Minutes. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

const MINUTE_MS = 60_000;

/**
 * Real US flights of 2001 in the order in which the planes left (ties in the file's order). The file is a package's: 3,000,000 rows, 229 origins.
 * `count` takes the first so many departures.
 */
export class Flights implements Iterable<Flight> {
  private constructor(
    readonly length: number,
    private readonly order: Uint32Array,
    private readonly dates: Float64Array,
    private readonly delays: Int32Array,
    private readonly distances: Int32Array,
    private readonly origins: readonly string[],
    private readonly destinations: readonly string[],
  ) {}

  static async load(count = Infinity): Promise<Flights> {
    const columns = await readColumns();
    const rows = columns.date.length;
    const dates = Float64Array.from(columns.date, (date) => (date as Date).getTime());
    const delays = Int32Array.from(columns.delay, Number);
    const departed = dates.map((date, row) => date + (delays[row] as number) * MINUTE_MS);
    const order = Uint32Array.from({ length: rows }, (_, row) => row);
    order.sort((a, b) => (departed[a] as number) - (departed[b] as number) || a - b);
    const distances = Int32Array.from(columns.distance, Number);
    return new Flights(Math.min(count, rows), order, dates, delays, distances, columns.origin as string[], columns.destination as string[]);
  }

  /** The `index`-th departure. Its id is its row in the file, so that it is the same whatever part is loaded. */
  at(index: number): Flight {
    const row = this.order[index] as number;
    const date = this.dates[row] as number;
    const delay = this.delays[row] as number;
    return {
      id: `f${row}`,
      date,
      departed: date + delay * MINUTE_MS,
      delay,
      distance: this.distances[row] as number,
      origin: this.origins[row] as string,
      destination: this.destinations[row] as string,
    };
  }

  *[Symbol.iterator](): Iterator<Flight> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  /** The departures from `start` to before `end`, one JSON object a line, as the events endpoint takes them. */
  ndjson(start: number, end: number): string {
    let text = '';
    for (let index = start; index < end; index++) text += `${JSON.stringify(this.at(index))}\n`;
    return text;
  }
}

const NAMES = ['date', 'delay', 'distance', 'origin', 'destination'] as const;

async function readColumns(): Promise<Record<(typeof NAMES)[number], unknown[]>> {
  // The package exports only its index; the data lies beside it.
  const index = createRequire(import.meta.url).resolve('vega-datasets');
  const file = await asyncBufferFromFile(join(index, '..', '..', 'data', 'flights-3m.parquet'));
  const chunks = new Map<string, ColumnData[]>(NAMES.map((name) => [name, []]));
  await parquetRead({
    file,
    columns: [...NAMES],
    compressors: { ZSTD: (input) => zstdDecompressSync(input) },
    onChunk: (chunk) => void chunks.get(chunk.columnName)?.push(chunk),
  });
  // Row groups arrive in any order.
  const column = (name: string): unknown[] => {
    const parts = (chunks.get(name) ?? []).sort((a, b) => a.rowStart - b.rowStart);
    return parts.flatMap((part) => Array.from(part.columnData as ArrayLike<unknown>));
  };
  return {
    date: column('date'),
    delay: column('delay'),
    distance: column('distance'),
    origin: column('origin'),
    destination: column('destination'),
  };
}
