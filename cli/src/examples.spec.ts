import { expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { exampleOf } from './examples.js';
import type { Io } from './io.js';
import { createProgram } from './program.js';

const io: Io = {
  out: () => undefined,
  err: () => undefined,
  stdin: () => Promise.resolve(''),
  environment: {},
  isInteractive: false,
  interrupted: new AbortController().signal,
};

function leavesOf(command: Command, path: readonly string[] = []): { path: string; command: Command }[] {
  if (command.commands.length === 0) return [{ path: path.join(' '), command }];
  return command.commands.flatMap((one) => leavesOf(one, [...path, one.name()]));
}

/** The words of a line, those in quotes as one. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain ?? '');
}

test.each(leavesOf(createProgram(io)).map(({ path }) => path))('the help of %s ends with a line that can be typed', async (path) => {
  const program = createProgram(io);
  const leaf = leavesOf(program).find((one) => one.path === path)?.command;
  const example = exampleOf(path);
  if (!leaf || example === undefined) throw new Error(`add an example of millrace ${path} to examples.ts`);
  let help = '';
  leaf.configureOutput({ writeOut: (text) => (help += text), writeErr: io.err });
  leaf.outputHelp();
  expect(help).toContain(`Example:\n  ${example}`);

  let reached = false;
  leaf.exitOverride().action(() => {
    reached = true;
  });
  program.exitOverride();
  const [name, ...words] = wordsOf(example);
  expect(name).toBe('millrace');
  await program.parseAsync(words, { from: 'user' });
  expect(reached).toBe(true);
});
