import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
// eslint-disable-next-line @nx/enforce-module-boundaries -- what the command talks to is a real service; only this test starts one
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { tempDir, type TempDir } from '@millrace/testing';
// eslint-disable-next-line @nx/enforce-module-boundaries -- as above
import { trackingConfig, TrackingModule } from '@millrace/tracking';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT } from './cli-error.js';
import { run } from './run.js';

describe('millrace artifacts', () => {
  let temp: TempDir;
  let service: RunningService;
  let runId: string;
  const large = randomBytes(20_000_000);

  beforeAll(async () => {
    temp = await tempDir('cli-artifacts');
    const environment = { MILLRACE_DATA_DIR: join(temp.path, 'data'), MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0' };
    service = await bootstrap(TrackingModule, loadConfig([trackingConfig], environment), { logDestination: { write: () => undefined } });
    const created = await fetch(`${service.url}/api/2.0/mlflow/runs/create`, {
      method: 'POST',
      body: JSON.stringify({ experiment_id: '0' }),
    });
    runId = ((await created.json()) as { run: { info: { run_id: string } } }).run.info.run_id;
    await mkdir(join(temp.path, 'out', 'deep'), { recursive: true });
    await writeFile(join(temp.path, 'out', 'weights #1.bin'), large);
    await writeFile(join(temp.path, 'out', 'deep', 'größe.txt'), 'small');
  }, 60_000);
  afterAll(async () => {
    await service.close();
    await temp.remove();
  });

  async function millrace(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    let [out, err] = ['', ''];
    const code = await run(['artifacts', ...args], {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      stdin: () => Promise.resolve(''),
      environment: { MILLRACE_URL: service.url },
      isInteractive: true,
      interrupted: new AbortController().signal,
    });
    return { code, out, err };
  }

  test('a folder goes up and comes back the same, with its progress on one line', async () => {
    const sent = await millrace('upload', runId, join(temp.path, 'out'), '--to', 'model');
    expect(sent).toMatchObject({ code: 0, out: `2 files (19.1 MiB) uploaded to run ${runId}\n` });
    expect(sent.err).toMatch(/weights #1\.bin {2}[\d.]+ [KM]iB of 19\.1 MiB \(\d+%\) {2}[\d.]+ \w+\/s/);
    expect(sent.err).not.toContain('\n');
    const back = join(temp.path, 'back');
    expect(await millrace('download', runId, 'model', '--to', back)).toMatchObject({ code: 0 });
    expect((await readdir(back, { recursive: true })).sort()).toEqual(
      ['model', 'model/deep', 'model/deep/größe.txt', 'model/weights #1.bin'].map((path) => join(...path.split('/'))),
    );
    expect((await readFile(join(back, 'model', 'weights #1.bin'))).equals(large)).toBe(true);
    const one = join(temp.path, 'one');
    expect(await millrace('download', runId, 'model/deep/größe.txt', '--to', one)).toMatchObject({ code: 0 });
    expect(await readFile(join(one, 'größe.txt'), 'utf8')).toBe('small');
  }, 60_000);

  test('says what is not there', async () => {
    expect(await millrace('upload', runId, join(temp.path, 'none'))).toMatchObject({ code: EXIT.usage });
    expect((await millrace('download', runId, 'none')).err).toContain(`run ${runId} has no artifact none`);
    expect((await millrace('download', 'none')).err).toContain('Run with id=none not found');
  });
});
