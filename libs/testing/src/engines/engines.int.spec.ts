import { describe, expect, test } from '@jest/globals';
import { isAlive } from '../cached-directory.js';
import { startProcess } from '../start-process.js';
import { waitFor } from '../wait-for.js';
import { enginesAsked, startEngines } from './engines.js';
import { startRedis } from './redis.js';

describe('the engines of a test run', () => {
  test('all are asked unless the environment narrows them, and a wrong name is refused', () => {
    expect(enginesAsked(undefined)).toEqual(['kafka', 'redis', 's3']);
    expect(enginesAsked('redis, s3')).toEqual(['redis', 's3']);
    expect(enginesAsked('')).toEqual([]);
    expect(() => enginesAsked('kafak')).toThrow('kafak; engines are kafka, redis, s3');
  });

  test('an engine that runs already is used and not started', async () => {
    const engines = await startEngines(['redis'], { MILLRACE_TEST_REDIS_URL: 'redis://somewhere:1' });
    expect(engines.env).toEqual({ MILLRACE_TEST_REDIS_URL: 'redis://somewhere:1' });
    await engines.stop();
  });

  test('an engine is gone when it has been stopped', async () => {
    const redis = await startRedis();
    expect(isAlive(redis.process.pid)).toBe(true);
    await redis.stop();
    expect(isAlive(redis.process.pid)).toBe(false);
  });

  test('a process does not outlive the one that started it, even one killed with SIGKILL', async () => {
    const source = new URL('../start-process.ts', import.meta.url).pathname;
    const script = `const { startProcess } = await import(${JSON.stringify(source)});
      const child = await startProcess({ command: 'sleep', args: ['600'] });
      console.log('child ' + child.pid);
      setInterval(() => {}, 1000);`;
    const parent = await startProcess({
      command: 'node',
      args: ['--input-type=module', '--eval', script],
      readyWhen: /^child \d+$/,
    });
    const child = Number(/child (\d+)/.exec(parent.output())?.[1]);
    expect(isAlive(child)).toBe(true);
    parent.kill('SIGKILL');
    await parent.exited;
    await waitFor(() => !isAlive(child), { what: 'the child to be killed' });
  });

  test('a process that ends before it is ready says why', async () => {
    const failing = startProcess({ name: 'the thing', command: 'sh', args: ['-c', 'echo no luck >&2; exit 3'], readyWhen: 'ready' });
    await expect(failing).rejects.toThrow(/the thing ended with 3 before it was ready\nno luck/);
  });
});
