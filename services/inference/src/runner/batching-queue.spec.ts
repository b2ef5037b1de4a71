import { describe, expect, test } from '@jest/globals';
import type { Tensor, TensorSpec } from '../domain/tensor/tensor.js';
import { BatchingQueue } from './batching-queue.js';
import type { Runner } from './runner.js';

const row = (...values: number[]): Tensor => ({ name: 'x', datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) });

/** Doubles every value; each run waits until it is let go, so that a test decides what is busy. */
class HeldRunner implements Runner {
  readonly inputs: readonly TensorSpec[] = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }];
  readonly outputs: readonly TensorSpec[] = [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }];
  readonly runs: number[] = [];
  readonly #held: (() => void)[] = [];
  #started: (() => void)[] = [];
  constructor(private readonly isHeld = true) {}

  async run(inputs: readonly Tensor[]): Promise<Tensor[]> {
    const [input] = inputs as [Tensor];
    this.runs.push(input.shape[0] as number);
    for (const started of this.#started.splice(0)) started();
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve));
    const data = input.data as Float32Array;
    if (data.includes(13)) throw new Error('unlucky');
    return [{ ...input, name: 'y', data: data.map((value) => value * 2) }];
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
const queueOf = (runner: Runner, options: { maxBatchRows?: number; maxQueuedRows?: number } = {}): BatchingQueue =>
  new BatchingQueue(runner, { maxBatchRows: 8, maxQueuedRows: 100, now: () => time, ...options });
const ask = (queue: BatchingQueue, tensor: Tensor, deadline = Infinity): Promise<number[]> =>
  queue.run({ inputs: [tensor], outputs: ['y'], deadline }).then((result) => Array.from(result.outputs[0]!.data as Float32Array));

describe('a batching queue', () => {
  test('requests of one turn share a run, and each gets its own rows', async () => {
    const runner = new HeldRunner(false);
    const queue = queueOf(runner);
    expect(await Promise.all([ask(queue, row(1)), ask(queue, row(2, 3)), ask(queue, row(4))])).toEqual([[2], [4, 6], [8]]);
    expect(runner.runs).toEqual([4]);
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
});
