import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { repositoryRoot, startProcess } from '@millrace/testing';
import type { HammerReport } from './hammer-writer.js';

export interface HammerOptions {
  readonly brokers: string;
  readonly writers: number;
  /** Commands of each writer. */
  readonly strokes: number;
}

const PROGRAM = join(repositoryRoot, 'chaos', 'dist', 'hammer', 'hammer-writer.js');

/** Runs the writers as processes against one subject on one topic and returns what each of them found. */
export async function hammer({ brokers, writers, strokes }: HammerOptions): Promise<HammerReport[]> {
  const topic = `millrace.hammer.decisions.${randomUUID()}`;
  return Promise.all(
    Array.from({ length: writers }, async (_, index) => {
      const options = { brokers, topic, writer: `writer-${index + 1}`, writers: String(writers), strokes: String(strokes) };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
      await using writer = await startProcess({ command: process.execPath, args: ['--enable-source-maps', PROGRAM, ...args] });
      const { code, signal } = await writer.exited;
      if (code !== 0) throw new Error(`${options.writer} ended with ${signal ?? code} (is chaos built?):\n${writer.output()}`);
      return JSON.parse(writer.output().trim().split('\n').at(-1) ?? '') as HammerReport;
    }),
  );
}

/** What two or more writers may not have done; empty when all is well. */
export function violations(reports: readonly HammerReport[], strokes: number): string[] {
  const found: string[] = [];
  const total = reports.length * strokes;
  const sequences = reports.flatMap((report) => report.accepted).sort((a, b) => a - b);
  if (sequences.length !== total) found.push(`${sequences.length} commands were accepted, not ${total}`);
  if (sequences.some((sequence, index) => sequence !== index + 1)) found.push('the accepted sequences are not 1, 2, 3, ... each once');
  if (new Set(reports.map((report) => report.digest)).size !== 1) found.push('the replicas hold different states');
  for (const { writer, anvil, anvilSequence } of reports) {
    if (anvilSequence !== total || anvil.strokes !== total) found.push(`${writer} counts ${anvil.strokes} strokes, not ${total}`);
    if (anvil.outOfTurn > 0) found.push(`${writer} saw ${anvil.outOfTurn} strokes lost, doubled or overtaken`);
  }
  return found;
}
