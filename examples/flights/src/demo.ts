// The demo: plays the main job against a running platform and says what happened.
//   node examples/flights/dist/demo.js --url URL --clickhouse-url URL [--flights N] [--json FILE]
// Ends with 0 when every check held.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Flights } from './flights.js';
import { mainJob } from './main-job/main-job.js';
import { PlatformClient } from './main-job/platform-client.js';
import type { MainJobReport } from './main-job/report.js';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8080' },
    'clickhouse-url': { type: 'string', default: 'http://127.0.0.1:8123' },
    flights: { type: 'string', default: '300000' },
    json: { type: 'string' },
  },
});

let current = '';
const count = values.flights === 'all' ? Infinity : Number(values.flights);
if (!(count >= 1000)) {
  console.error('--flights: at least 1000, or all');
  process.exit(2);
}
const client = new PlatformClient(values.url, values['clickhouse-url']);
show('read the flights of 2001');
const flights = await Flights.load(count);
const report = await mainJob(client, flights, { progress: show });
endLine();
if (values.json) writeFileSync(values.json, JSON.stringify(report));
tell(report);
process.exit(report.checks.every(({ ok }) => ok) ? 0 : 1);

/** One line per step; on a terminal it grows in place. */
function show(step: string, done?: number, total?: number): void {
  const share = done !== undefined && total ? ` ${Math.min(100, Math.floor((100 * done) / total))} %` : '';
  if (step !== current) {
    endLine();
    current = step;
    process.stdout.write(`  ${step} ...${process.stdout.isTTY ? '' : '\n'}`);
  }
  if (process.stdout.isTTY) process.stdout.write(`\r  ${step} ...${share}`);
}

function endLine(): void {
  if (current !== '' && process.stdout.isTTY) process.stdout.write('\n');
}

function tell(result: MainJobReport): void {
  const { champion, challenger, heldOutRows } = result.quality;
  const number = (value: number, digits = 0): string => value.toLocaleString('en-GB', { maximumFractionDigits: digits });
  const lines = [
    '',
    'What happened',
    `  ${number(result.events)} flights came in as events, ${number(result.eventsPerSecond)} a second until both stores had them`,
    `  18 windowed features per origin and route; a training set of ${number(result.trainingRows)} rows, point in time`,
    `  on ${number(heldOutRows)} held-out later flights: Brier ${champion.brier.toFixed(4)} champion, ${challenger.brier.toFixed(4)} challenger, ${champion.baseBrier.toFixed(4)} base rate; AUC ${champion.auc?.toFixed(3)} and ${challenger.auc?.toFixed(3)}`,
    `  ${number(result.predictions)} predictions from entity keys: p50 ${result.latencyMs.p50.toFixed(1)} ms, p99 ${result.latencyMs.p99.toFixed(1)} ms (eight at a time)`,
    `  served against offline: ${result.verified.mismatches} mismatches in ${number(result.verified.compared)} vectors`,
    '',
    'What was checked',
    ...result.checks.map(({ ok, name, detail }) => `  ${ok ? 'ok  ' : 'FAIL'} ${name} (${detail})`),
    '',
  ];
  console.log(lines.join('\n'));
}
