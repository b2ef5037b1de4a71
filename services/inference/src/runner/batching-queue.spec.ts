import { describe, expect, test } from '@jest/globals';
import type { Scheduler } from '@millrace/kernel';
import { Refusal } from '../domain/refusal.js';
import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import { BatchingQueue, type BatchingOptions } from './batching-queue.js';
import type { RunOutcome, Runner } from './runner.js';

const row = (...values: number[]): Tensor => ({ name: 'x', datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) });

/** Doubles every value; each run waits until it is let go, so that a test decides what is busy. */
class HeldRunner implements Runner {
  readonly inputs: readonly TensorSpec[] = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }];
  readonly outputs: readonly TensorSpec[] = [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }];
  readonly place = 'worker';
  readonly parallelism: number = 1;
  readonly memoryBytes = 0;
  readonly runs: number[] = [];
  readonly #held: (() => void)[] = [];
  #started: (() => void)[] = [];
  constructor(private readonly isHeld = true) {}

  turn(): Promise<() => void> | undefined {
    return undefined;
  }

  async run(inputs: readonly Tensor[]): Promise<RunOutcome> {
    const [input] = inputs as [Tensor];
    this.runs.push(input.shape[0] as number);
    for (const started of this.#started.splice(0)) started();
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve));
    const data = input.data as Float32Array;
    if (data.includes(13)) throw new Error('unlucky');
    if (data.includes(14)) throw new Refusal('MR_INFERENCE_CRASHED', 'the thread ended');
    return { outputs: [{ ...input, name: 'y', data: data.map((value) => value * 2) }], computeMs: 1, cpuMs: 1 };
  }

  started(): Promise<void> {
    return new Promise((resolve) => this.#started.push(resolve));
  }

  release(): void {
    this.#held.shift()?.();
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}

let time = 0;
/** Timers that are due when a test says so. */
const timers = new Map<() => void, number>();
const scheduler: Scheduler = {
  after: (milliseconds, run) => {
    timers.set(run, time + milliseconds);
    return () => timers.delete(run);
  },
};
const pass = (milliseconds: number): void => {
  time += milliseconds;
  for (const [run, due] of [...timers]) if (due <= time && timers.delete(run)) run();
};

const queueOf = (runner: Runner, options: Partial<BatchingOptions> = {}): BatchingQueue =>
  new BatchingQueue(runner, { maxBatchRows: 8, maxQueuedRows: 100, now: () => time, scheduler, ...options });
const ask = (queue: BatchingQueue, tensor: Tensor, deadline = Infinity, signal?: AbortSignal): Promise<number[]> =>
  queue.run({ inputs: [tensor], outputs: ['y'], deadline, signal }).then((result) => Array.from(result.outputs[0]!.data as Float32Array));

describe('a batching queue', () => {
  test('requests of one turn share a run, and each gets its own rows', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    expect(await Promise.all([ask(queue, row(1)), ask(queue, row(2, 3)), ask(queue, row(4))])).toEqual([[2], [4, 6], [8]]);
    expect(runner.runs).toEqual([4]);
  });

  test('requests to a model without inputs share no run, and each gets all rows it gives', async () => {
    const runner = new (class extends HeldRunner {
      override readonly inputs = [];
      override run(inputs: readonly Tensor[]): Promise<RunOutcome> {
        this.runs.push(inputs.length);
        return Promise.resolve({ outputs: [{ ...row(3, 4), name: 'y' }], computeMs: 1, cpuMs: 1 });
      }
    })(false);
    const queue = queueOf(runner);
    const asked = () => queue.run({ inputs: [], outputs: ['y'], deadline: Infinity }).then(({ outputs }) => [...outputs[0]!.data]);
    expect(await Promise.all([asked(), asked(), asked()])).toEqual([
      [3, 4],
      [3, 4],
      [3, 4],
    ]);
    expect(runner.runs).toEqual([0, 0, 0]);
    // Two at once are as many as the rows it gives, which is no reason to share them.
    expect(await Promise.all([asked(), asked()])).toEqual([
      [3, 4],
      [3, 4],
    ]);
  });

  test('says what waits and runs, and how long it has been busy', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner);
    const started = runner.started();
    const first = ask(queue, row(1, 2));
    await started;
    const second = ask(queue, row(3));
    expect([queue.queuedRows, queue.runningRows, queue.pending, queue.busyMs]).toEqual([1, 2, 2, 0]);
    pass(30);
    const next = runner.started();
    runner.release();
    await Promise.all([first, next]);
    expect([queue.queuedRows, queue.runningRows, queue.busyMs]).toEqual([0, 1, 30]);
    pass(12);
    runner.release();
    await second;
    await queue.idle();
    pass(1000);
    expect([queue.pending, queue.busyMs]).toEqual([0, 42]);
  });

  test('with several sessions, busy is the share of all of them', async () => {
    const runner = new (class extends HeldRunner {
      override readonly parallelism = 4;
    })();
    const queue = queueOf(runner);
    const started = runner.started();
    const only = ask(queue, row(1));
    await started;
    pass(40);
    runner.release();
    await only;
    await queue.idle();
    expect(queue.busyMs).toBe(10);
  });

  test('a request that is to be alone is not put together with others, and keeps its turn', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    const alone = queue.run({ inputs: [row(5, 6)], outputs: ['y'], deadline: Infinity, isAlone: true });
    expect(await Promise.all([ask(queue, row(1)), ask(queue, row(2))])).toEqual([[2], [4]]);
    expect((await alone).batchRows).toBe(2);
    expect(runner.runs).toEqual([2, 2]);
  });

  test('what arrives while it is busy runs next, together, up to the limit of rows', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner, { maxBatchRows: 3 });
    const started = runner.started();
    const first = ask(queue, row(1));
    await started;
    const second = runner.started();
    const others = [ask(queue, row(2)), ask(queue, row(3, 4)), ask(queue, row(5))];
    runner.release();
    await second;
    const third = runner.started();
    runner.release();
    await third;
    runner.release();
    expect(await Promise.all([first, ...others])).toEqual([[2], [4], [6, 8], [10]]);
    expect(runner.runs).toEqual([1, 3, 1]);
  });

  test('shapes and outputs are never mixed', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    const wide: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) };
    await Promise.all([ask(queue, row(1)), ask(queue, wide), ask(queue, row(2))]);
    expect(runner.runs).toEqual([2, 1]);
  });

  test('a model with a fixed first dimension runs one request at a time', async () => {
    const runner = new HeldRunner(false);
    const fixed = Object.assign(runner, { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1] }] });
    const queue = queueOf(fixed);
    await Promise.all([ask(queue, row(1)), ask(queue, row(2))]);
    expect(runner.runs).toEqual([1, 1]);
  });

  test('a full queue refuses at once', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner, { maxQueuedRows: 2 });
    const started = runner.started();
    const first = ask(queue, row(1));
    await started;
    const waiting = ask(queue, row(2, 3));
    await expect(ask(queue, row(4))).rejects.toMatchObject({ code: 'MR_INFERENCE_BUSY' });
    const second = runner.started();
    runner.release();
    await second;
    runner.release();
    expect(await Promise.all([first, waiting])).toEqual([[2], [4, 6]]);
    expect(queue.queuedRows).toBe(0);
  });

  test('a request whose deadline passed in the queue is not run', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner);
    const started = runner.started();
    const first = ask(queue, row(1));
    await started;
    const late = ask(queue, row(2), time + 5);
    time += 10;
    runner.release();
    await expect(late).rejects.toMatchObject({ code: 'MR_INFERENCE_DEADLINE', message: 'the deadline passed after 10 ms in the queue' });
    await first;
    await queue.idle();
    expect(runner.runs).toEqual([1]);
  });

  test('the first priority goes first, equals in the order they came', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner, { maxBatchRows: 1 });
    const order: number[] = [];
    const askAs = (value: number, priority?: number) =>
      queue
        .run({ inputs: [row(value)], outputs: ['y'], deadline: Infinity, ...(priority === undefined ? {} : { priority }) })
        .then(() => order.push(value));
    const started = runner.started();
    const all = [askAs(1, 5)];
    await started;
    all.push(askAs(2, 9), askAs(3, 5), askAs(4, 1), askAs(5, 5), askAs(6, 1));
    for (let left = all.length; left > 0; left--) {
      const next = runner.started();
      runner.release();
      if (left > 1) await next;
    }
    await Promise.all(all);
    expect(order).toEqual([1, 4, 6, 3, 5, 2]);
  });

  test('one bad request does not fail its neighbours', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    const answers = await Promise.allSettled([ask(queue, row(1)), ask(queue, row(13)), ask(queue, row(2))]);
    expect(answers[0]).toMatchObject({ value: [2] });
    expect(answers[1]).toMatchObject({ reason: { code: 'MR_INFERENCE_FAILED', message: 'the model failed: unlucky' } });
    expect(answers[2]).toMatchObject({ value: [4] });
  });

  test('answers by the deadline although the model goes on computing, and waits for it before it is idle', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner);
    const started = runner.started();
    const [early, late] = [ask(queue, row(1), time + 20), ask(queue, row(2), time + 30)];
    await started;
    const waiting = ask(queue, row(3), time + 25);
    pass(20);
    await expect(early).rejects.toMatchObject({
      code: 'MR_INFERENCE_DEADLINE',
      message: 'the deadline passed after 20 ms of waiting and running',
    });
    pass(5);
    await expect(waiting).rejects.toMatchObject({ message: 'the deadline passed after 25 ms in the queue' });
    expect(queue.pending).toBe(1);
    runner.release();
    expect(await late).toEqual([4]);
    await queue.close();
    expect([runner.runs, queue.pending, timers.size]).toEqual([[2], 0, 0]);
  });

  test('who leaves gives up the place, and is not run', async () => {
    const runner = new HeldRunner();
    const queue = queueOf(runner, { maxQueuedRows: 2 });
    const started = runner.started();
    const [gone, stays] = [new AbortController(), new AbortController()];
    const first = ask(queue, row(1), Infinity, stays.signal);
    await started;
    const left = ask(queue, row(2, 3), Infinity, gone.signal);
    gone.abort();
    await expect(left).rejects.toMatchObject({ code: 'MR_INFERENCE_CANCELLED' });
    await expect(ask(queue, row(4), Infinity, gone.signal)).rejects.toMatchObject({ code: 'MR_INFERENCE_CANCELLED' });
    const second = runner.started();
    const next = ask(queue, row(5, 6));
    runner.release();
    await second;
    runner.release();
    expect(await Promise.all([first, next])).toEqual([[2], [10, 12]]);
    stays.abort();
    expect(runner.runs).toEqual([1, 2]);
  });

  test('a delay that is asked for gathers requests, until there are enough', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner, { maxDelayMs: 5, maxBatchRows: 3 });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const first = ask(queue, row(1));
    await turn();
    await turn();
    const second = ask(queue, row(2));
    expect(runner.runs).toEqual([]);
    pass(5);
    expect(await Promise.all([first, second])).toEqual([[2], [4]]);
    const many = [ask(queue, row(1)), ask(queue, row(2, 3))];
    expect(await Promise.all(many)).toEqual([[2], [4, 6]]);
    expect(runner.runs).toEqual([2, 3]);
  });

  test('as many runs go on at once as the runner allows', async () => {
    const runner = Object.assign(new HeldRunner(), { parallelism: 2 });
    const queue = queueOf(runner, { maxBatchRows: 1 });
    const answers = [1, 2, 3].map((value) => ask(queue, row(value)));
    await runner.started();
    if (runner.runs.length < 2) await runner.started();
    expect(runner.runs).toHaveLength(2);
    const third = runner.started();
    runner.release();
    await third;
    runner.release();
    runner.release();
    expect(await Promise.all(answers)).toEqual([[2], [4], [6]]);
  });

  test('a batch whose thread ended is told so, and not tried again', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    const answers = await Promise.allSettled([ask(queue, row(1)), ask(queue, row(14))]);
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: 'MR_INFERENCE_CRASHED' } });
    expect(runner.runs).toEqual([2]);
  });

  test('a model that gets no turn fails what waits for it, with the reason', async () => {
    const runner = Object.assign(new HeldRunner(false), {
      turn: () => Promise.reject(new Refusal('MR_INFERENCE_CRASHED', 'it has ended 3 times')),
    });
    const queue = queueOf(runner);
    await expect(ask(queue, row(1))).rejects.toMatchObject({ code: 'MR_INFERENCE_CRASHED', message: 'it has ended 3 times' });
    await queue.idle();
    expect(queue.queuedRows).toBe(0);
  });
});
