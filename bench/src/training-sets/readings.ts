import { randomNumbers } from '@millrace/statistics';

const START = Date.UTC(2026, 0, 1);
/** Events per request. */
const BATCH = 50_000;

/** Events of many entities with numbers, each at a time of its own, and spines that ask for them. The same in every run. */
export class Readings {
  readonly #times: Float64Array;
  readonly #entities: Uint32Array;
  readonly #values: Float64Array;
  readonly #features: number;
  readonly #count: number;

  constructor({ rows, features, entities }: { rows: number; features: number; entities: number }) {
    const random = randomNumbers(1);
    this.#features = features;
    this.#count = entities;
    this.#times = Float64Array.from({ length: rows }, (_, row) => START + row * 2_592 + Math.floor(random() * 2_592));
    this.#entities = Uint32Array.from({ length: rows }, () => Math.floor(random() * entities));
    this.#values = Float64Array.from({ length: rows * features }, () => Math.floor(random() * 1e6) / 1e3);
  }

  csv(): string {
    const names = Array.from({ length: this.#features }, (_, index) => `f${index}`);
    const lines = [['entity', 'at', ...names].join(',')];
    for (let row = 0; row < this.#times.length; row++) {
      lines.push([`e${this.#entities[row]}`, this.#time(row), ...this.#valuesOf(row)].join(','));
    }
    return lines.join('\n');
  }

  spineCsv(rows: number, round: number): string {
    const random = randomNumbers(round + 2);
    const lines = ['entity,asked,label'];
    const end = (this.#times.at(-1) as number) - START;
    for (let row = 0; row < rows; row++) {
      const asked = new Date(START + Math.floor(random() * end)).toISOString();
      lines.push(`e${Math.floor(random() * this.#count)},${asked},${row % 2}`);
    }
    return lines.join('\n');
  }

  /** Applies the definitions and sends the events, and waits until the table has them. */
  async load(url: string): Promise<void> {
    const columns = Array.from({ length: this.#features }, (_, index) => `f${index}: Float64`).join(', ');
    const features = Array.from({ length: this.#features }, (_, index) => `{name: f${index}, aggregate: last, column: f${index}}`).join(
      ', ',
    );
    const resources = [
      document(
        'Source',
        'readings',
        `{topic: readings, key: entity, eventTime: at, eventId: id, schema: {id: String, at: DateTime64(3), entity: String, ${columns}}}`,
      ),
      document('Entity', 'thing', '{joinKeys: {entity: String}}'),
      document('FeatureView', 'readings', `{entity: thing, source: readings, online: false, features: [${features}]}`),
      document('FeatureService', 'readings', '{features: [readings]}'),
    ];
    await send(`${url}/api/v1/apply`, 'application/yaml', resources.join('\n---\n'));
    for (let from = 0; from < this.#times.length; from += BATCH) {
      const lines: string[] = [];
      for (let row = from; row < Math.min(from + BATCH, this.#times.length); row++) {
        const values = this.#valuesOf(row).map((value, index) => `"f${index}":${value}`);
        lines.push(`{"id":"r${row}","at":"${this.#time(row)}","entity":"e${this.#entities[row]}",${values.join(',')}}`);
      }
      await send(`${url}/api/v1/sources/readings/events`, 'application/x-ndjson', lines.join('\n'));
    }
    // A small set waits for the table.
    const spine = { rows: [{ entity: 'e0', asked: START }] };
    const body = { featureService: 'readings', timestampColumn: 'asked', spine };
    await send(`${url}/api/v1/training-sets?wait=5m`, 'application/json', JSON.stringify(body));
  }

  #time(row: number): string {
    return new Date(this.#times[row] as number).toISOString();
  }

  #valuesOf(row: number): number[] {
    return [...this.#values.subarray(row * this.#features, (row + 1) * this.#features)];
  }
}

function document(kind: string, name: string, spec: string): string {
  return `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}`;
}

async function send(url: string, type: string, body: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type, connection: 'close' }, body });
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}
