// node bare-server.js PORT NAME=FILE ...: Fastify, onnxruntime-node and a loop that runs together what waits, and nothing else: the least a gateway can cost.
import { openSession } from '@millrace/onnx/runtime';
import Fastify from 'fastify';
import { readFileSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';

interface Waiting {
  readonly data: readonly number[];
  readonly rows: number;
  readonly resolve: (scores: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

interface InferBody {
  readonly id?: string;
  readonly inputs: readonly [{ readonly shape: readonly [number, number]; readonly data: readonly number[] }];
}

const MAX_ROWS = 256;

async function batching(file: string): Promise<(data: readonly number[], rows: number) => Promise<Float32Array>> {
  const session = await openSession(readFileSync(file));
  const waiting: Waiting[] = [];
  let isRunning = false;
  const serve = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, MAX_ROWS);
      const rows = batch.reduce((sum, item) => sum + item.rows, 0);
      const columns = (batch[0] as Waiting).data.length / (batch[0] as Waiting).rows;
      const values = new Float32Array(rows * columns);
      let offset = 0;
      for (const { data } of batch) {
        values.set(data, offset);
        offset += data.length;
      }
      try {
        const { scores } = await session.run({ x: new Tensor('float32', values, [rows, columns]) });
        const all = (scores as Tensor).data as Float32Array;
        let row = 0;
        for (const item of batch) item.resolve(all.subarray(row, (row += item.rows)));
      } catch (error) {
        for (const item of batch) item.reject(error);
      }
    }
    isRunning = false;
  };
  return (data, rows) =>
    new Promise((resolve, reject) => {
      waiting.push({ data, rows, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      setImmediate(() => void serve());
    });
}

const [port, ...models] = process.argv.slice(2);
const server = Fastify({ logger: false });
for (const model of models) {
  const [name, file] = model.split('=') as [string, string];
  const run = await batching(file);
  server.post<{ Body: InferBody }>(`/v2/models/${name}/infer`, async ({ body }) => {
    const [{ shape, data }] = body.inputs;
    const scores = await run(data, shape[0]);
    const output = { name: 'scores', datatype: 'FP32', shape: [shape[0], 1], data: Array.from(scores) };
    return { model_name: name, model_version: '1', id: body.id ?? '', outputs: [output] };
  });
}
server.get('/v2/health/ready', () => ({ ready: true }));
await server.listen({ port: Number(port), host: '127.0.0.1' });
