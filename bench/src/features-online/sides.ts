import { FEAST, feastVenv, freePort, runCommand } from '@millrace/testing';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startMeasured, type MeasuredServer } from '../measured-server.js';

export const FEAST_LABEL = `feast serve ${FEAST} on Redis`;

/** `feast serve`, one worker on one core, of a view of so many features in Redis. */
export async function startFeast(directory: string, redisPort: number, features: number): Promise<MeasuredServer> {
  const venv = await feastVenv();
  const script = fileURLToPath(new URL('../../src/features-online/feast_repo.py', import.meta.url));
  await runCommand(venv.python, [script, directory, `127.0.0.1:${redisPort}`, String(features)]);
  const port = await freePort();
  // A worker that is replaced after a thousand requests, as is the default, is away for seconds each time.
  const settings = ['--workers', '1', '--no-access-log', '--max-requests', '10000000', '--max-requests-jitter', '0'];
  return startMeasured({
    ...{ name: 'feast serve', command: venv.bin('feast'), args: ['serve', '--port', String(port), ...settings] },
    ...{ port, health: '/health', cwd: directory, env: { FEAST_USAGE: 'False' } },
  });
}

/** The platform in one process on one core, its online store in the same Redis. */
export async function startMillrace(directory: string, redisPort: number, features: number): Promise<MeasuredServer> {
  const port = await freePort();
  const script = fileURLToPath(new URL('../../../services/platform/dist/main.js', import.meta.url));
  const env = {
    MILLRACE_DATA_DIR: join(directory, 'millrace'),
    MILLRACE_PORT: String(port),
    MILLRACE_GRPC_PORT: '0',
    MILLRACE_CLICKHOUSE_PORT: '0',
    MILLRACE_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    MILLRACE_LOG_LEVEL: 'error',
    NODE_OPTIONS: '',
  };
  const where = { port, health: '/readyz', cwd: directory, env };
  const side = await startMeasured({ name: 'millrace', command: process.execPath, args: [script], ...where });
  const names = Array.from({ length: features }, (_, index) => `f${index}`);
  const schema = ['driver_id: Int64', 'event_timestamp: DateTime64(3)', ...names.map((name) => `${name}: Float64`)].join(', ');
  const view = names.map((name) => `{name: ${name}, aggregate: last, column: ${name}}`).join(', ');
  const documents = [
    ['Source', 'rows', `{topic: rows, key: driver_id, eventTime: event_timestamp, schema: {${schema}}}`],
    ['Entity', 'driver', '{joinKeys: {driver_id: Int64}}'],
    ['FeatureView', 'stats', `{entity: driver, source: rows, features: [${view}]}`],
  ];
  const body = documents
    .map(([kind, name, spec]) => `apiVersion: millrace.dev/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`)
    .join('---\n');
  const answer = await fetch(`${side.url}/api/v1/apply`, { method: 'POST', headers: { 'content-type': 'application/yaml' }, body });
  if (!answer.ok) throw new Error(await answer.text());
  return side;
}
