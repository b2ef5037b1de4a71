import { parseExactJson } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';

/** A record as the server shows it: one line of JSON. */
export interface EventView {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly time: string;
  readonly type?: string;
  readonly subject?: string;
  readonly sequence?: number;
  readonly actor?: string;
  readonly deadLetter?: {
    readonly id: string;
    readonly consumer: string;
    readonly code: string;
    readonly reason: string;
    readonly time: string;
  };
  /** Whole numbers that a double does not hold are bigints. */
  readonly data?: unknown;
  readonly text?: string;
  readonly base64?: string;
  /** The line itself, in which `data` stands as it was written. */
  readonly line: string;
}

export interface TopicView {
  readonly name: string;
  readonly kind: string;
  readonly holds: string;
  readonly partitions: readonly { readonly begin: number; readonly end: number }[];
}

/** One partition of a topic, read piece by piece. */
export class PartitionReader {
  #next: string;

  constructor(
    private readonly client: MillraceClient,
    private readonly topic: string,
    private readonly partition: number,
    /** `beginning`, `end`, an offset, or -N. */
    from: string,
  ) {
    this.#next = from;
  }

  /** The next records; none when there are none within `waitMs`. `isLast`: the end, as it was when asked, is reached. */
  async page(waitMs: number, signal?: AbortSignal): Promise<{ events: readonly EventView[]; isLast: boolean }> {
    const query = new URLSearchParams({ partition: String(this.partition), from: this.#next, limit: '500', wait: String(waitMs) });
    const response = await this.client.call('GET', `/api/v1/events/${encodeURIComponent(this.topic)}?${query.toString()}`, {
      extraTimeMs: waitMs,
      ...(signal ? { signal } : {}),
    });
    const lines = (await response.text()).split('\n');
    const next = Number(response.headers.get('millrace-next-offset'));
    this.#next = String(next);
    const events = lines.filter((line) => line !== '').map((line) => ({ ...(parseExactJson(line) as Omit<EventView, 'line'>), line }));
    return { events, isLast: next >= Number(response.headers.get('millrace-end-offset')) };
  }

  /** Every record up to the end as it stood at the last page. */
  async *upToEnd(): AsyncGenerator<EventView> {
    for (;;) {
      const { events, isLast } = await this.page(0);
      yield* events;
      if (isLast) return;
    }
  }
}

/** Several partitions as one stream by time. Inside a partition the order of the log is kept. */
export async function* merged(streams: readonly AsyncGenerator<EventView>[]): AsyncGenerator<EventView> {
  const heads = await Promise.all(streams.map((stream) => stream.next()));
  for (;;) {
    let earliest = -1;
    for (const [index, head] of heads.entries()) {
      const best = heads[earliest];
      if (!head.done && (best === undefined || best.done || head.value.time < best.value.time)) earliest = index;
    }
    const head = heads[earliest];
    if (head === undefined || head.done) return;
    yield head.value;
    heads[earliest] = await (streams[earliest] as AsyncGenerator<EventView>).next();
  }
}
