import { expect, test } from '@jest/globals';
import { repositoryRoot, startProcess, tempDir } from '@millrace/testing';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s during a start ends it in order and leaves no lock, process 1 of a container too',
  async (signal) => {
    await using temp = await tempDir('run-main');
    const starting = await startProcess({
      name: 'a process that starts',
      command: process.execPath,
      args: [
        ...['--conditions=source', '--import', join(repositoryRoot, 'tools/run-sources.mjs')],
        ...[join(repositoryRoot, 'libs/service/src/testing/starts-for-ever.ts'), temp.path],
      ],
      env: { NODE_OPTIONS: '' },
      readyWhen: 'starting',
    });
    expect(existsSync(join(temp.path, 'millrace.lock'))).toBe(true);
    starting.kill(signal);
    // A code and no signal: a process without a listener would have been ended by the kernel, and as process 1 not at all.
    expect(await starting.exited).toEqual({ code: 0, signal: null });
    expect(starting.output()).toContain(`${signal} during the start`);
    expect(existsSync(join(temp.path, 'millrace.lock'))).toBe(false);
  },
);
