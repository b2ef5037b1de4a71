import { findCommand, need, runCommand } from '@millrace/testing';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Load {
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Question {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const SCRIPT = `
wrk.method = "POST"
%HEADERS%
wrk.body = io.open("%BODY%", "rb"):read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"failed":%d,"p50":%f,"p99":%f}\\n', summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
`;

/** wrk asking one question on so many connections, each again as soon as it is answered. A request that fails fails the run. */
export async function wrk(url: string, question: Question, connections: number, seconds: number, directory: string): Promise<Load> {
  await need({ what: 'wrk', isPresent: () => Promise.resolve(findCommand('wrk') !== undefined), packages: ['wrk'] });
  const [script, body] = [join(directory, 'ask.lua'), join(directory, 'body')];
  await writeFile(body, question.body);
  const headers = Object.entries(question.headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`);
  await writeFile(script, SCRIPT.replace('%HEADERS%', headers.join('\n')).replace('%BODY%', body));
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, `${url}${question.path}`];
  const output = await runCommand('wrk', args);
  const summary = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<'requests' | 'us' | 'failed' | 'p50' | 'p99', number>;
  if (summary.failed > 0) throw new Error(`${summary.failed} of ${summary.requests} requests to ${url}${question.path} failed`);
  return { rate: (summary.requests * 1e6) / summary.us, p50: summary.p50 / 1000, p99: summary.p99 / 1000 };
}
