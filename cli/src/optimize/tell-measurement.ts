import { percent, type Measurement } from '@millrace/onnx';
import type { Io } from '../io.js';
import { sizeText } from '../output/progress.js';
import { table } from '../output/table.js';

/** Shows both models side by side, and how their answers differ. */
export function tellMeasurement(io: Io, measured: Measurement, rowsFrom: string): void {
  const { parent, child, sizeRatio, latencyRatio, agreement, labelBy, maxError, meanError, relativeError, truth } = measured;
  const ratio = (value: number): string => `${value.toFixed(2)}x`;
  const micros = (value: number): string => `${value.toFixed(0)} us`;
  io.out(`measured on ${rowsFrom}:\n`);
  io.out(
    table(
      ['', 'PARENT', 'CHILD', 'RATIO'],
      [
        ['size', sizeText(parent.bytes), sizeText(child.bytes), ratio(sizeRatio)],
        ['1 row', micros(parent.latencyMicros[1]), micros(child.latencyMicros[1]), ratio(latencyRatio[1])],
        ['32 rows', micros(parent.latencyMicros[32]), micros(child.latencyMicros[32]), ratio(latencyRatio[32])],
      ],
    ),
  );
  if (agreement !== undefined) io.out(`labels agree: ${percent(agreement)} (by ${labelBy})\n`);
  io.out(
    `error: at most ${maxError.toPrecision(3)}, ${meanError.toPrecision(3)} on average (${percent(relativeError)} of the deviation)\n`,
  );
  if (truth) {
    const figure = (value: number): string => (truth.what === 'accuracy' ? percent(value) : value.toPrecision(4));
    io.out(`${truth.what} on ${truth.rows} rows with a label: ${figure(truth.parent)} before, ${figure(truth.child)} now\n`);
  }
}
