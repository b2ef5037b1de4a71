import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, ensureVenv, freePort, runCommand, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deployModels } from './deployed-models.js';
import { MODELS } from './models.js';

const TRITON = ['tritonclient[http,grpc]==2.73.0', 'numpy==2.4.6', 'ml-dtypes==0.5.4'];
const KSERVE = ['kserve==0.21.0'];
const MLSERVER = ['mlserver==1.7.1'];

describe('clients of the Open Inference Protocol', () => {
  let directory: TempDir;
  let platform: Topology;
  let grpc: string;

  beforeAll(async () => {
    directory = await tempDir('oip');
    const grpcPort = await freePort();
    grpc = `127.0.0.1:${grpcPort}`;
    platform = await embeddedTopology(directory.path, { MILLRACE_GRPC_PORT: String(grpcPort) });
    await platform.start();
    await deployModels(platform.url, MODELS, ['spare']);
  }, 120_000);

  afterAll(async () => {
    await platform.stop();
    await directory.remove();
  });

  // tritonclient.grpc and kserve register the same Protocol Buffers and cannot be in one environment's process.
  test.each<[string, string, string, readonly string[], string, () => string]>([
    ['tritonclient', '2.73.0', 'HTTP', TRITON, 'triton_session.py', () => platform.url],
    ['tritonclient', '2.73.0', 'gRPC', TRITON, 'triton_grpc_session.py', () => grpc],
    ['kserve', '0.21.0', 'REST', KSERVE, 'kserve_session.py', () => platform.url],
    ['kserve', '0.21.0', 'gRPC', KSERVE, 'kserve_grpc_session.py', () => grpc],
  ])(
    '%s %s does a whole session over %s',
    async (name, version, _protocol, requirements, script, address) => {
      const venv = await ensureVenv(`oip-${name}`, requirements);
      const output = await runCommand(venv.python, [join(import.meta.dirname, script), address()]);
      expect(output.trim().split('\n').at(-1)).toBe(version);
    },
    600_000,
  );

  test.each([['--binary-data'], ['--verbose']])(
    'mlserver 1.7.1 infer scores a file of requests (%s)',
    async (flag) => {
      const venv = await ensureVenv('oip-mlserver', MLSERVER);
      const [input, output] = [join(directory.path, `in${flag}`), join(directory.path, `out${flag}`)];
      const rows = Array.from({ length: 50 }, (_, index) => [index / 10, 0.25]);
      const requests = rows.map((row, index) =>
        JSON.stringify({ id: `r${index}`, inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 2], data: row }] }),
      );
      await writeFile(input, requests.join('\n'));
      const url = platform.url.replace('http://', '');
      await runCommand(venv.bin('mlserver'), [
        ...['infer', '--url', url, '--model-name', 'logistic', '--input-data-path', input, '--output-data-path', output],
        ...['--workers', '4', '--batch-size', '5', flag],
      ]);
      const answers = (await readFile(output, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as MlserverLine);
      expect(answers).toHaveLength(rows.length);
      for (const { id, outputs } of answers) {
        const [a] = rows[Number(id.slice(1))] as [number];
        expect(outputs.find(({ name }) => name === 'probability')?.data[0]).toBeCloseTo(1 / (1 + Math.exp(-a)), 5);
      }
    },
    600_000,
  );
});

interface MlserverLine {
  readonly id: string;
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}
