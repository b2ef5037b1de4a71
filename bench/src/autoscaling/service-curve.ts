import { Agent, request } from 'node:http';
import { BODY, PATH } from './inference-process.js';
import type { ServiceCurve } from './replica.js';

const SECONDS = 4;
const CONNECTIONS = 64;

/** How long the real engine takes, seen from outside: one request at a time, and as many a second as it can. */
export async function serviceCurve(url: string): Promise<ServiceCurve> {
  await closedLoop(url, CONNECTIONS, 1);
  const one = await closedLoop(url, 1, SECONDS);
  const full = await closedLoop(url, CONNECTIONS, SECONDS);
  const rowMs = (SECONDS * 1000) / full.length;
  one.sort((a, b) => a - b);
  return { fixedMs: Math.max(0.1, (one[Math.floor(one.length / 2)] as number) - rowMs), rowMs, maxBatchRows: 256 };
}

async function closedLoop(url: string, connections: number, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const until = performance.now() + seconds * 1000;
  const took: number[] = [];
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < until) took.push(await ask(agent, url));
    }),
  );
  agent.destroy();
  return took;
}

/** Milliseconds until the answer; throws where it is not one. */
export function ask(agent: Agent, url: string): Promise<number> {
  const since = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
    const sent = request(`${url}${PATH}`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - since);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    sent.on('error', reject);
    sent.end(BODY);
  });
}
