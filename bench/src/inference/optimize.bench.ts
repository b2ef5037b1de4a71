import { measureModels, optimizeModel, type Measurement, type OptimizeStep } from '@millrace/onnx';
import { openModel } from '@millrace/onnx/runtime';
import { classifier } from '@millrace/onnx/testing';
import { median, runAlone, type BenchResult } from '../bench-result.js';

const SIZES = [256, 1024, 1024, 10];
const ROWS = 2_048;
/** A figure of time is the middle of so many measurements, in which parent and child take turns. */
const TRIES = 5;

interface Variant {
  readonly name: string;
  readonly steps: readonly OptimizeStep[];
  /** Whether it is held to the bounds of int8. */
  readonly isInt8?: boolean;
}

const VARIANTS: readonly Variant[] = [
  { name: 'dynamic int8', steps: [{ pass: 'dynamic-int8' }], isInt8: true },
  { name: 'dynamic int8, per channel', steps: [{ pass: 'dynamic-int8', perChannel: true }], isInt8: true },
  { name: 'weights as int8', steps: [{ pass: 'weights', type: 'int8' }] },
  { name: 'weights as fp16', steps: [{ pass: 'weights', type: 'fp16' }] },
  { name: 'half of the hidden units', steps: [{ pass: 'prune', keep: 0.5 }] },
];

/**
 * What optimizing a perceptron of 256-1024-1024-10 gives, beside the model it is made of: bytes, time of 1 and 32 rows on one thread, and the share of rows with the same
 * label. The network knows ten classes (its labels are right on 99 % of the rows), so agreement says something. Pruned units are not trained back.
 */
export async function run(): Promise<BenchResult[]> {
  const { bytes, rows } = classifier({ sizes: SIZES, rows: ROWS, noise: 2 });
  const results: BenchResult[] = [];
  for (const variant of VARIANTS) {
    const begun = performance.now();
    const outcome = optimizeModel(bytes, variant.steps);
    const took = performance.now() - begun;
    if (outcome.kind === 'rejected') throw new Error(outcome.rejection.message);
    const tries: Measurement[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) {
      tries.push(await measureModels(bytes, outcome.bytes, rows, { open: openModel, now: () => performance.now(), budgetMs: 1_000 }));
    }
    results.push(...figures(variant, tries, took));
  }
  return results;
}

function figures({ name: variant, isInt8 = false }: Variant, tries: readonly Measurement[], took: number): BenchResult[] {
  const [first] = tries as [Measurement, ...Measurement[]];
  const name = 'optimize';
  const peer = 'the model it is made of';
  const latency = (size: 1 | 32): BenchResult => {
    const ratio = median(tries.map(({ latencyRatio }) => latencyRatio[size]));
    return {
      ...{ name, metric: `${variant}: ${size} row${size === 1 ? '' : 's'}`, unit: 'us', peer },
      value: median(tries.map(({ child }) => child.latencyMicros[size])),
      peerValue: median(tries.map(({ parent }) => parent.latencyMicros[size])),
      ratio: 1 / ratio,
      ...(isInt8 && size === 32 ? { target: 'faster' } : {}),
      pass: !(isInt8 && size === 32) || ratio < 1,
    };
  };
  const agreement = (first.agreement ?? 0) * 100;
  return [
    {
      ...{ name, metric: `${variant}: size`, unit: 'bytes', peer, value: first.child.bytes, peerValue: first.parent.bytes },
      ratio: 1 / first.sizeRatio,
      ...(isInt8 ? { target: '<= 0.3x' } : {}),
      pass: !isInt8 || first.sizeRatio <= 0.3,
    },
    latency(1),
    latency(32),
    {
      ...{ name, metric: `${variant}: labels that agree, ${first.rows} rows`, value: agreement, unit: '%' },
      ...(isInt8 ? { target: '>= 99 %' } : {}),
      pass: !isInt8 || agreement >= 99,
    },
    { name, metric: `${variant}: largest error of a probability`, value: first.maxError, unit: '', pass: true },
    { name, metric: `${variant}: made in`, value: took, unit: 'ms', pass: true },
  ];
}

await runAlone(import.meta.url, run);
