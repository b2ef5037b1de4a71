import { parseArgs } from 'node:util';
import { ChdbSession } from '@millrace/offline-store';
import { startClickHouseHttp } from './clickhouse-http.js';

// A ClickHouse server as far as its HTTP interface goes: chdb on a directory, open for reading and writing.
//   node main.js --path DIR [--port 8123] [--host 127.0.0.1] [--threads 16] [--read-only] [--user NAME --password WORD]
const { values } = parseArgs({
  options: {
    path: { type: 'string' },
    port: { type: 'string', default: '8123' },
    host: { type: 'string', default: '127.0.0.1' },
    threads: { type: 'string', default: '16' },
    'read-only': { type: 'boolean', default: false },
    user: { type: 'string' },
    password: { type: 'string' },
  },
});
if (!values.path) {
  process.stderr.write('--path DIR is missing: the data directory\n');
  process.exit(2);
}

const threads = Number(values.threads);
const session = ChdbSession.open(values.path, { threads, guests: Math.max(1, threads - 4) });
const http = await startClickHouseHttp({
  session,
  port: Number(values.port),
  host: values.host,
  readOnly: values['read-only'],
  ...(values.user === undefined ? {} : { users: [{ user: values.user, password: values.password ?? '' }] }),
});
process.stdout.write(`${http.url}\n`);

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    // The engine last: what still runs gets its answer, and the data directory is left closed.
    void http
      .close()
      .then(() => session.close())
      .then(() => process.exit(0));
  });
}
