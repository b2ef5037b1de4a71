import { afterEach, describe, expect, test } from '@jest/globals';
import { addsModel, echoModel, float16Model, slowAddsModel } from '@millrace/onnx';
import { systemScheduler } from '@millrace/service';
import { waitFor } from '@millrace/testing';
import type { Tensor } from './domain/tensor/tensor.js';
import { BatchingQueue } from './runner/batching-queue.js';
import type { RunJudge } from './runner/run-time-judge.js';
import type { Place } from './runner/runner.js';
import { RunnerOpener, type OpenedModel, type RunnerOpenerOptions } from './runner/runner-opener.js';
import { programOf } from './runner/session-thread.js';

const crashes: string[] = [];
const moves: Place[] = [];
const open: { opener: RunnerOpener; models: OpenedModel[] }[] = [];

/** Opens models as the service does; all is closed after the test. */
function openerOf(options: Partial<RunnerOpenerOptions> = {}): (bytes: Uint8Array) => Promise<OpenedModel> {
  const opener = new RunnerOpener({
    place: 'auto',
    workers: 1,
    sessionsPerModel: 1,
    scheduler: systemScheduler,
    observer: {
      crashed: (_label, reason) => crashes.push(reason),
      moved: (_label, to) => moves.push(to),
      stayed: (_label, _wanted, error) => crashes.push(String(error)),
    },
    ...options,
  });
  const models: OpenedModel[] = [];
  open.push({ opener, models });
  return async (bytes) => {
    const model = await opener.open('m version 1', () =>
      Promise.resolve({ graph: Uint8Array.from(bytes), beside: new Map(), maxBytes: 1 << 20 }),
    );
    models.push(model);
    return model;
  };
}

afterEach(async () => {
  for (const { opener, models } of open.splice(0)) {
    for (const { runner } of models) await runner.close();
    await opener.close();
  }
  crashes.splice(0);
  moves.splice(0);
});

const column = (...data: number[]): Tensor => ({ name: 'x', datatype: 'FP32', shape: [data.length, 1], data: Float32Array.from(data) });
const queueOf = ({ runner }: OpenedModel, maxBatchRows = 64): BatchingQueue =>
  new BatchingQueue(runner, { maxBatchRows, maxQueuedRows: 10_000, now: () => performance.now(), scheduler: systemScheduler });
const ask = async (queue: BatchingQueue, ...data: number[]): Promise<number[]> => {
  const { outputs } = await queue.run({ inputs: [column(...data)], outputs: ['y'], deadline: Infinity });
  return Array.from(outputs[0]!.data as Float32Array);
};

describe('a model runs', () => {
  test('in the loop when it is fast, in a thread when it is slow, and as it is told where it is told', async () => {
    const byTime = openerOf();
    // A pause of the machine may come in between, and make a fast one look slow.
    await waitFor(async () => (await byTime(addsModel(1))).runner.place === 'in-loop');
    expect((await byTime(slowAddsModel(1, 100))).runner.place).toBe('worker');
    expect((await openerOf({ place: 'worker' })(addsModel(1))).runner.place).toBe('worker');
    expect((await openerOf({ place: 'in-loop' })(slowAddsModel(1, 100))).runner.place).toBe('in-loop');
  });

  test.each<Place>(['in-loop', 'worker'])('with the same answers %s: strings, 64-bit integers, booleans', async (place) => {
    const { runner } = await openerOf({ place })(echoModel());
    const inputs: Tensor[] = [
      { name: 'text', datatype: 'BYTES', shape: [2, 2], data: ['a', '', 'é✓', 'd'] },
      { name: 'whole', datatype: 'INT64', shape: [2, 2], data: BigInt64Array.of(1n, -(2n ** 63n), 2n ** 63n - 1n, 0n) },
      { name: 'unsigned', datatype: 'UINT64', shape: [2, 2], data: BigUint64Array.of(1n, 2n ** 64n - 1n, 3n, 4n) },
      { name: 'flag', datatype: 'BOOL', shape: [2, 2], data: Uint8Array.of(1, 0, 0, 1) },
    ];
    const names = inputs.map(({ name }) => `${name}_out`);
    const { outputs, computeMs } = await runner.run(inputs, names, false);
    expect(outputs).toEqual(inputs.map((input) => ({ ...input, name: `${input.name}_out` })));
    // What was given stays the caller's.
    expect(inputs.map(({ data }) => data.length)).toEqual([4, 4, 4, 4]);
    expect(computeMs).toBeGreaterThan(0);
    const owned = await runner.run(inputs, names, true);
    expect(owned.outputs).toEqual(outputs);
  });

  test('with FP16 inputs and outputs, held as FP32', async () => {
    const { runner, inputs, outputs, widened } = await openerOf()(float16Model());
    expect([inputs[0]?.datatype, outputs[0]?.datatype, widened]).toEqual(['FP16', 'FP16', ['x', 'y']]);
    const outcome = await runner.run([column(1.5, -2.25)], ['y'], false);
    expect(Array.from(outcome.outputs[0]!.data as Float32Array)).toEqual([3, -4.5]);
  });

  test('not at all when the graph is broken, and says why', async () => {
    const opened = openerOf();
    await expect(opened(Buffer.from('pickle'))).rejects.toMatchObject({
      code: 'MR_INFERENCE_UNSERVABLE',
      message: expect.stringMatching(/^m version 1: the bytes are not an ONNX model/),
    });
    const unknown = Buffer.from(addsModel(1)).toString('latin1').replace('Add', 'Adz');
    await expect(opened(Buffer.from(unknown, 'latin1'))).rejects.toMatchObject({
      code: 'MR_INFERENCE_UNSERVABLE',
      message: expect.stringMatching(/^m version 1: the runtime cannot load it: .*Adz/),
    });
  });

  test('in a thread without holding the loop: a fast one answers many times meanwhile', async () => {
    const slow = queueOf(await openerOf({ place: 'worker' })(slowAddsModel(1, 3000)));
    const fast = queueOf(await openerOf({ place: 'in-loop' })(addsModel(2)));
    let isOver = false;
    const running = ask(slow, 1).finally(() => (isOver = true));
    let answered = 0;
    for (; !isOver; answered++) expect(await ask(fast, answered)).toEqual([answered + 2]);
    expect(await running).toEqual([2]);
    // In the loop it would be none, or the one that came first.
    expect(answered).toBeGreaterThan(5);
  });

  test('in several threads at once when it may', async () => {
    const model = await openerOf({ workers: 2, sessionsPerModel: 2 })(slowAddsModel(1, 200));
    const queue = queueOf(model, 1);
    expect(model.runner.parallelism).toBe(2);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(queue, index)));
    expect(answers).toEqual(Array.from({ length: 8 }, (_, index) => [index + 1]));
  });
});

describe('a model whose runs change', () => {
  test('moves to a thread and back, without a wrong or failed answer', async () => {
    // When it moves is the judge's own test; here every twentieth run says so, whatever the machine is doing.
    const judge = (): RunJudge => {
      let runs = 0;
      return { observe: (place) => (++runs % 20 !== 0 ? undefined : place === 'in-loop' ? 'worker' : 'in-loop') };
    };
    const model = await openerOf({ judge })(addsModel(1));
    const queue = queueOf(model, 4);
    while (moves.length < 4) {
      const answers = await Promise.all([1, 2, 3, 4, 5].map((value) => ask(queue, value, value + 0.5)));
      expect(answers).toEqual([1, 2, 3, 4, 5].map((value) => [value + 1, value + 1.5]));
    }
    expect(new Set(moves)).toEqual(new Set(['worker', 'in-loop']));
    expect(model.runner.place).toBe(moves.at(-1));
    expect(crashes).toEqual([]);
  });
});

describe('a thread that ends', () => {
  const program = programOf('testing/exiting-session', import.meta.url);

  test('fails those in it with the reason, and the next are answered by a new one', async () => {
    const model = await openerOf({ place: 'worker', program })(addsModel(1));
    const queue = queueOf(model, 1);
    const answers = await Promise.allSettled([ask(queue, 13), ask(queue, 1)]);
    expect(answers[0]).toMatchObject({
      reason: {
        code: 'MR_INFERENCE_CRASHED',
        message: expect.stringContaining('ended while it worked on this (it ended with exit code 7)'),
      },
    });
    expect(answers[1]).toMatchObject({ value: [2] });
    expect(crashes).toEqual(['it ended with exit code 7']);
  });

  test('again and again is started after a pause, and what comes meanwhile is told so at once', async () => {
    const due: (() => void)[] = [];
    const scheduler = { after: (_ms: number, run: () => void) => (due.push(run), () => undefined) };
    const model = await openerOf({ place: 'worker', program, scheduler })(addsModel(1));
    const queue = queueOf(model, 1);
    for (let time = 0; time < 2; time++) await expect(ask(queue, 13)).rejects.toMatchObject({ code: 'MR_INFERENCE_CRASHED' });
    await expect(ask(queue, 1)).rejects.toMatchObject({
      code: 'MR_INFERENCE_CRASHED',
      message: expect.stringMatching(/has ended 2 times, last: it ended with exit code 7; it is started again within 1 s/),
    });
    await waitFor(() => due.length === 1);
    due[0]!();
    expect(await ask(queue, 1)).toEqual([2]);
  });

  test('of several leaves the others answering', async () => {
    const model = await openerOf({ place: 'worker', program, sessionsPerModel: 2, workers: 2 })(addsModel(1));
    const queue = queueOf(model, 1);
    const answers = await Promise.allSettled([13, 1, 2, 3].map((value) => ask(queue, value)));
    expect(answers.filter(({ status }) => status === 'rejected').length).toBeLessThanOrEqual(2);
    expect(await ask(queue, 5)).toEqual([6]);
  });
});
