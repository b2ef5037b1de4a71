import type { Topology } from '@millrace/testing';
import type { TopicUnderTest } from './topics-under-test.js';

/** What each service's `/metrics` says, by the service's address. */
export type Scrape = ReadonlyMap<string, string>;

export async function scrape({ services }: Topology): Promise<Scrape> {
  const urls = services.map((service) => service.options.readyUrl.replace(/\/readyz$/, ''));
  return new Map(await Promise.all(urls.map(async (url) => [url, await (await fetch(`${url}/metrics`)).text()] as const)));
}

/** How many records of a topic came to `outcome` at the reader that keeps its letters, by the metrics of the service it belongs to. */
export function countOf(scraped: Scrape, { name, keeper, owner }: TopicUnderTest, outcome: string): number {
  const labels = [`consumer="${keeper}"`, `topic="${name}"`, `outcome="${outcome}"`];
  if (owner !== undefined) labels.push(`service="${owner}"`);
  let count = 0;
  for (const line of [...scraped.values()].flatMap((text) => text.split('\n'))) {
    if (!line.startsWith('millrace_consumer_records_total{') || !labels.every((label) => line.includes(label))) continue;
    count += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return count;
}

/** Whether a reader of the topic has something left to read. */
export function hasLag(scraped: Scrape, topic: string): boolean {
  const lines = [...scraped.values()].flatMap((text) => text.split('\n'));
  return lines.some((line) => line.startsWith('millrace_consumer_lag{') && line.includes(`topic="${topic}"`) && !line.endsWith(' 0'));
}
