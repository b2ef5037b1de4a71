import { exactJsonText } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { everyItem } from '../pages.js';

interface Partition {
  readonly partition: number;
  readonly next: number;
  readonly end: number;
  readonly lag: number;
  readonly lagSeconds: number | null;
  readonly isHere: boolean;
  readonly error: string | null;
}

/** A stream as the API shows it. */
interface Stream {
  readonly name: string;
  readonly status: string;
  readonly reason: string | null;
  readonly deployment: string;
  readonly source: string;
  readonly topic: string | null;
  readonly outputTopic: string;
  readonly generation: number;
  readonly startedAt: string | null;
  readonly lag: number;
  readonly lagSeconds: number | null;
  readonly partitions: readonly Partition[];
}

type Output = { readonly output: string };

const PATH = '/api/v1/streams';

/** Lists every stream: where each stands, and why. */
export async function listStreams(client: MillraceClient, io: Io, { output }: Output): Promise<void> {
  const streams = await everyItem<Stream>(client, PATH, 'streams');
  if (output === 'json') return io.out(`${exactJsonText(streams, { indent: 2 })}\n`);
  const rows = streams.map(({ name, status, deployment, source, outputTopic, lag, lagSeconds, reason }) => [
    ...[name, status, deployment, source, outputTopic, String(lag), seconds(lagSeconds), reason ?? ''],
  ]);
  io.out(table(['NAME', 'STATUS', 'DEPLOYMENT', 'SOURCE', 'OUTPUT', 'LAG', 'AGE', 'WHY'], rows));
}

/** Shows one stream, partition by partition. False when it does not get on. */
export async function getStream(client: MillraceClient, io: Io, name: string, { output }: Output): Promise<boolean> {
  const stream = await client.json<Stream>('GET', `${PATH}/${encodeURIComponent(name)}`);
  if (output === 'json') io.out(`${exactJsonText(stream, { indent: 2 })}\n`);
  else {
    const { status, reason, topic, outputTopic, deployment, generation, startedAt, partitions } = stream;
    io.out(`stream ${name} is ${status}${reason === null ? '' : `: ${reason}`}\n`);
    io.out(
      `  ${topic ?? stream.source} -> ${deployment} -> ${outputTopic}, generation ${generation}${startedAt === null ? '' : `, begun ${startedAt}`}\n`,
    );
    const rows = partitions.map(({ partition, next, end, lag, lagSeconds, isHere, error }) => [
      ...[String(partition), String(next), String(end), String(lag), seconds(lagSeconds), isHere ? 'yes' : 'no', error ?? ''],
    ]);
    if (rows.length > 0) io.out(table(['PARTITION', 'NEXT', 'END', 'LAG', 'AGE', 'HERE', 'WHY'], rows));
  }
  return stream.status === 'running' || stream.status === 'suspended';
}

/** The age of the oldest event that waits; who has the partition knows it. */
function seconds(age: number | null): string {
  return age === null ? '?' : `${Math.round(age)}s`;
}
