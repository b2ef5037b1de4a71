import { expect, test } from '@jest/globals';
import { Counter, Histogram, Registry } from 'prom-client';
import { HotCounter, HotHistogram } from './hot-metrics.js';

const BUCKETS = [0.1, 0.5, 1];
const about = { help: 'What it says.', labelNames: ['route', 'status'] as const };

async function textOf(
  of: (registers: Registry[]) => {
    observe: (labels: { route: string; status: string }, value: number) => void;
    inc: (labels: { route: string; status: string }) => void;
  },
): Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ service: 'one' });
  const { observe, inc } = of([registry]);
  for (const value of [0, 0.1, 0.3, 0.5, 0.7, 1, 20]) observe({ route: '/a', status: '200' }, value);
  observe({ route: '/b', status: '404' }, 0.2);
  for (const status of ['200', '404', '200']) inc({ route: '/a', status });
  return registry.metrics();
}

/** Lines with their labels in order: the order of labels says nothing. */
function lines(text: string): string[] {
  return text.split('\n').map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(',').sort().join(',')}}`));
}

test('a scrape shows what the package’s own metrics would show', async () => {
  const hot = await textOf((registers) => {
    const seconds = new HotHistogram({ ...about, name: 'seconds', buckets: BUCKETS, registers });
    const total = new HotCounter({ ...about, name: 'total', registers });
    return { observe: (labels, value) => seconds.observe(labels, value), inc: (labels) => total.inc(labels) };
  });
  const own = await textOf((registers) => {
    const seconds = new Histogram({ ...about, labelNames: [...about.labelNames], name: 'seconds', buckets: BUCKETS, registers });
    const total = new Counter({ ...about, labelNames: [...about.labelNames], name: 'total', registers });
    return { observe: (labels, value) => seconds.observe(labels, value), inc: (labels) => total.inc(labels) };
  });
  expect(lines(hot)).toEqual(lines(own));
});

test('a registry forgets and resets it like any other', async () => {
  const registry = new Registry();
  const total = new HotCounter({ name: 'total', help: 'h', labelNames: [], registers: [registry] });
  total.inc({}, 3);
  expect(await registry.metrics()).toContain('total 3');
  registry.resetMetrics();
  expect(await registry.metrics()).not.toContain('total 3');
  expect(() => new HotCounter({ name: 'total', help: 'h', labelNames: [], registers: [registry] })).toThrow(/already been registered/);
});
