import { feastVenv, freePort, runCommand, startProcess, waitFor, type RunningProcess } from '@millrace/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Applies the definitions of `resources.yaml` and waits until their sources run. */
export async function applyResources(url: string): Promise<void> {
  const body = await readFile(join(import.meta.dirname, 'resources.yaml'), 'utf8');
  const answer = await fetch(`${url}/api/v1/apply`, { method: 'POST', headers: { 'content-type': 'application/yaml' }, body });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const status = async (): Promise<number> => (await fetch(`${url}/api/v1/sources/route_rows`)).status;
  await waitFor(async () => (await status()) === 200, { what: 'the sources to run' });
}

export interface FeastServer {
  readonly url: string;
  readonly process: RunningProcess;
}

/** The definitions of `feast_repo.py` in `directory`, and `feast serve` on them; `online` is `sqlite` or a Redis. */
export async function startFeast(directory: string, online: string): Promise<FeastServer> {
  const venv = await feastVenv();
  await writeFile(join(directory, 'rows.json'), JSON.stringify(BATCH));
  await runCommand(venv.python, [join(import.meta.dirname, 'feast_repo.py'), directory, online]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startProcess({
    name: 'feast serve',
    command: venv.bin('feast'),
    args: ['serve', '--port', String(port), '--no-access-log'],
    cwd: directory,
    env: { FEAST_USAGE: 'False' },
    withChildren: true,
    readyWhen: async () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    readyTimeoutMs: 120_000,
  });
  return { url, process: running };
}

/** Rows of the files behind the push sources; Feast infers the columns' types from them. Nobody asks for these entities. */
const OLD = { event_timestamp: ['2020-01-01T00:00:00Z'], created: ['2020-01-01T00:00:00Z'] };
const BATCH = {
  driver_rows: {
    driver_id: [1],
    ...OLD,
    conv_rate: [0.5],
    rating: [1.25],
    trips: [7],
    city: ['Bern'],
    active: [true],
    since: ['2020-01-01T00:00:00Z'],
  },
  route_rows: { origin: ['A'], destination: ['B'], ...OLD, flights: [3], delay: [1.5] },
  note_rows: { driver_id: [1], ...OLD, city: ['Bern'], stars: [3] },
};
