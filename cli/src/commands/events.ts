import { setTimeout as pause } from 'node:timers/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT, isCliError } from '../cli-error.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { eventFilter, type EventFilter } from './event-filter.js';
import { merged, PartitionReader, type EventView, type TopicView } from './event-stream.js';

export interface TailOptions {
  readonly from?: string;
  readonly follow: boolean;
  readonly filter: readonly string[];
  readonly partition?: string;
  readonly limit?: string;
  readonly output: 'text' | 'json';
}

const WAIT_MS = 20_000;
const LONGEST_PAUSE_MS = 5_000;

/** Lists the topics a process shows. */
export async function topics(client: MillraceClient, io: Io, output: string): Promise<void> {
  const { topics: found } = await client.json<{ topics: readonly TopicView[] }>('GET', '/api/v1/events');
  if (output === 'json') {
    io.out(`${JSON.stringify(found, null, 2)}\n`);
    return;
  }
  const rows = found.map(({ name, kind, partitions, holds }) => {
    const records = partitions.reduce((sum, { begin, end }) => sum + end - begin, 0);
    return [name, kind, String(partitions.length), String(records), holds];
  });
  io.out(table(['TOPIC', 'KIND', 'PARTITIONS', 'RECORDS', 'HOLDS'], rows));
}

/** Shows the records of a topic, and with `--follow` those to come. */
export async function tail(client: MillraceClient, io: Io, topic: string, options: TailOptions): Promise<void> {
  const accepts = eventFilter(options.filter);
  const partitions = await partitionsOf(client, topic, options.partition);
  const from = options.from ?? (options.follow ? 'end' : '-10');
  if (!/^(beginning|end|-?\d+)$/.test(from)) throw new CliError(`--from ${from} is not beginning, end, an offset, or -N`, EXIT.usage);
  const readers = partitions.map((partition) => new PartitionReader(client, topic, partition, from));
  const shown = new Shown(io, accepts, options);
  for await (const event of merged(readers.map((reader) => reader.upToEnd()))) if (shown.isEnough(event)) return;
  if (!options.follow) return;
  const enough = new AbortController();
  await Promise.all(readers.map((reader) => follow(reader, shown, io, enough)));
}

/** Shows what was put aside of a topic, why, and whose it was. */
export async function deadLetters(client: MillraceClient, io: Io, topic: string, output: string): Promise<void> {
  const letters = topic.endsWith('.dead-letters') ? topic : `${topic}.dead-letters`;
  const all = await topicList(client);
  const origin = letters.replace(/\.dead-letters$/, '');
  if (!all.some(({ name }) => name === origin)) throw noTopic(origin, all);
  if (!all.some(({ name }) => name === letters)) {
    if (output === 'json') return;
    io.out(`nothing of ${origin} was put aside\n`);
    return;
  }
  for await (const event of new PartitionReader(client, letters, 0, 'beginning').upToEnd()) {
    io.out(output === 'json' ? `${event.line}\n` : letterText(event));
  }
}

/** Counts and prints what passes the filter; says when it is enough. */
class Shown {
  readonly #limit: number;
  #count = 0;

  constructor(
    private readonly io: Io,
    private readonly accepts: EventFilter,
    private readonly options: TailOptions,
  ) {
    this.#limit = options.limit === undefined ? Infinity : Number(options.limit);
    if (!(this.#limit >= 1)) throw new CliError(`--limit ${options.limit} is not a positive number`, EXIT.usage);
  }

  isEnough(event: EventView): boolean {
    if (this.#count >= this.#limit) return true;
    if (!this.accepts(event)) return false;
    this.io.out(this.options.output === 'json' ? `${event.line}\n` : eventText(event));
    return ++this.#count >= this.#limit;
  }
}

/** Waits for records until interrupted; a server that goes away for a while is waited for. */
async function follow(reader: PartitionReader, shown: Shown, io: Io, enough: AbortController): Promise<void> {
  let failures = 0;
  while (!io.interrupted.aborted && !enough.signal.aborted) {
    try {
      const { events } = await reader.page(WAIT_MS, enough.signal);
      failures = 0;
      for (const event of events) {
        if (shown.isEnough(event)) {
          enough.abort();
          return;
        }
      }
    } catch (error) {
      if (io.interrupted.aborted || enough.signal.aborted) return;
      const isPassing =
        isCliError(error) && (error.exitCode === EXIT.unreachable || (error as { problem?: { status: number } }).problem?.status === 503);
      if (!isPassing) throw error;
      if (failures === 0) io.err(`${error.message}\nWaiting for it to come back ...\n`);
      await pause(Math.min(250 * 2 ** failures++, LONGEST_PAUSE_MS), undefined, {
        signal: AbortSignal.any([io.interrupted, enough.signal]),
      }).catch(() => undefined);
    }
  }
}

async function topicList(client: MillraceClient): Promise<readonly TopicView[]> {
  return (await client.json<{ topics: readonly TopicView[] }>('GET', '/api/v1/events')).topics;
}

async function partitionsOf(client: MillraceClient, topic: string, asked: string | undefined): Promise<readonly number[]> {
  const all = await topicList(client);
  const found = all.find(({ name }) => name === topic);
  if (!found) throw noTopic(topic, all);
  const partitions = found.partitions.map((_, partition) => partition);
  if (asked === undefined) return partitions;
  if (!partitions.includes(Number(asked))) {
    throw new CliError(`--partition ${asked}: ${topic} has partitions 0 to ${partitions.length - 1}`, EXIT.usage);
  }
  return [Number(asked)];
}

function noTopic(topic: string, all: readonly TopicView[]): CliError {
  const near = all.filter(({ name }) => name.includes(topic) && !name.endsWith('.dead-letters')).map(({ name }) => name);
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ' List them with millrace events topics.';
  return new CliError(`there is no topic ${topic}.${hint}`, EXIT.refused);
}

function eventText(event: EventView): string {
  const { time, partition, offset, type, subject, sequence, key } = event;
  const what =
    type === undefined ? (key ?? '-') : `${shortType(type)} ${subject ?? key ?? '-'}${sequence === undefined ? '' : ` #${sequence}`}`;
  return `${time} ${partition}@${offset} ${what} ${valueText(event)}\n`;
}

function letterText(event: EventView): string {
  const { deadLetter } = event;
  if (!deadLetter) return eventText(event);
  const { time, id, consumer, code, reason } = deadLetter;
  return `${time} ${id} ${code} ${consumer}: ${reason}\n  ${valueText(event)}\n`;
}

function shortType(type: string): string {
  return type.replace(/^millrace\.[a-z]+\./, '');
}

const WIDEST_TEXT = 500;

/** What the server writes last of a record; the quotes of a text are escaped, so it cannot stand in one. */
const DATA = ',"data":';

function valueText({ data, text, base64, line: json }: EventView): string {
  const value = data === undefined ? (text ?? `(bytes, base64) ${base64 ?? ''}`) : json.slice(json.indexOf(DATA) + DATA.length, -1);
  const line = value.replaceAll('\n', '\\n');
  return line.length > WIDEST_TEXT ? `${line.slice(0, WIDEST_TEXT)}…` : line;
}
