import { Agent } from 'node:http';
import { quantile } from '../bench-result.js';
import { httpPost } from '../http-post.js';

export interface Paced {
  /** Milliseconds from when a request was due, so that one held up counts for those behind it. */
  readonly p50: number;
  readonly p99: number;
  readonly requests: number;
  readonly failures: number;
  /** The first of them, for whoever wonders. */
  readonly firstFailure: string | undefined;
}

export interface PacedOptions {
  readonly url: string;
  readonly path: string;
  readonly body: string;
  /** Requests a second, evenly. */
  readonly rate: number;
  /** Asked before each request: whether to go on. */
  readonly goesOn: (elapsedMs: number) => boolean;
  /** Shown every answer. */
  readonly onReply?: (body: string) => void;
}

/** Sends requests at an even rate, whether or not the ones before are answered, as independent clients do. */
export async function paced({ url, path, body, rate, goesOn, onReply }: PacedOptions): Promise<Paced> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const took: number[] = [];
  const failures: string[] = [];
  const under: Promise<void>[] = [];
  const started = performance.now();
  for (let sent = 0; goesOn(performance.now() - started);) {
    const due = Math.min(Math.floor(((performance.now() - started) * rate) / 1000), sent + 1_000);
    for (; sent < due; sent++) {
      const dueAt = started + (sent * 1000) / rate;
      const answered = httpPost(agent, `${url}${path}`, body, { 'content-type': 'application/json' }).then(
        ({ status, text }) => {
          took.push(performance.now() - dueAt);
          if (status !== 200) failures.push(`${status} ${text.slice(0, 200)}`);
          else onReply?.(text);
        },
        (error: unknown) => void failures.push(String(error)),
      );
      under.push(answered);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
  agent.destroy();
  took.sort((a, b) => a - b);
  return {
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
    requests: under.length,
    failures: failures.length,
    firstFailure: failures[0],
  };
}
