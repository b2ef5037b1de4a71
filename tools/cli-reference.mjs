// Writes docs/reference/cli.md from the help of the `millrace` command itself. Runs the sources; no build is needed.
//   node tools/cli-reference.mjs [--check] [folder that holds docs/]
import { join } from 'node:path';
import { readArguments, writeGenerated } from './generated-file.mjs';
import { code, inline, sentence, table } from './markdown.mjs';
import './run-sources.mjs';

const command = 'node tools/cli-reference.mjs';
const { createProgram } = await import('../cli/src/program.ts');
const { exampleOf } = await import('../cli/src/examples.ts');
const { check, folder } = readArguments();

const INTRO = `# Command line

Generated from the help of the command by \`${command}\`.

\`millrace\` defines, shows and follows what a Millrace does. It speaks to a running process over HTTP. In this repository it is
\`npm run -s millrace -- <command>\`, after \`npm run build\` or \`npm start\`. \`millrace help <command>\` shows what is written here.`;

await writeGenerated(join(folder, 'docs', 'reference', 'cli.md'), page(createProgram(silentIo())), { check, folder, command });

function page(program) {
  const [, ...after] = fullHelp(program).slice(program.helpInformation().length).trim().split(':');
  return `${[
    INTRO,
    '## Options of every command',
    'They may stand before or after the command: `millrace --server http://mill:8080 status`.',
    optionsTable(program),
    '## Exit codes',
    exitCodes(after.join(':')),
    ...leavesOf(program).flatMap(commandPart),
  ].join('\n\n')}\n`;
}

function commandPart(one) {
  const name = nameOf(one);
  const parts = [`## ${name}`, inline(sentence(one.description())), `\`\`\`sh\n${usageOf(one)}\n\`\`\``];
  const rows = one.registeredArguments.map((argument) => [
    code(argument.name()),
    argument.required ? 'yes' : 'no',
    inline(sentence(argument.description)),
  ]);
  if (rows.length > 0) parts.push(table(['argument', 'required', 'meaning'], rows));
  if (one.options.length > 0) parts.push(optionsTable(one));
  const example = exampleOf(name.slice('millrace '.length));
  if (example !== undefined) parts.push(`For example:\n\n\`\`\`sh\n${example}\n\`\`\``);
  return parts;
}

function optionsTable(one) {
  const rows = one.options.map((option) => [code(option.flags), fallbackOf(option), meaningOf(option)]);
  return table(['option', 'default', 'meaning'], rows);
}

function fallbackOf({ defaultValue, mandatory }) {
  if (mandatory) return '(required)';
  const isNone = defaultValue === undefined || defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0);
  return isNone ? '' : code(defaultValue);
}

function meaningOf({ description, argChoices, envVar }) {
  const parts = [inline(sentence(description))];
  if (argChoices) parts.push(`One of ${argChoices.map(code).join(', ')}.`);
  if (envVar) parts.push(`Also set by the environment variable ${code(envVar)}.`);
  return parts.join(' ');
}

/** `0 done, 1 diff found a difference or ...` as a table. */
function exitCodes(text) {
  const rows = [...text.replace(/\s+/g, ' ').matchAll(/(\d+) (.+?)(?=, \d|\.?$)/g)].map(([, exit, meaning]) => [
    exit,
    inline(sentence(meaning)),
  ]);
  if (rows.length === 0) throw new Error(`the help says nothing of exit codes that can be read: ${text}`);
  return table(['code', 'meaning'], rows);
}

function leavesOf(one) {
  return one.commands.length === 0 ? [one] : one.commands.flatMap(leavesOf);
}

function nameOf(one) {
  return one.parent ? `${nameOf(one.parent)} ${one.name()}` : one.name();
}

function usageOf(one) {
  return one.createHelp().commandUsage(one);
}

/** The help as it is printed, with what stands after the commands. */
function fullHelp(program) {
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part) });
  program.outputHelp();
  return text;
}

/** The program is only asked what it can do. */
function silentIo() {
  const nothing = () => undefined;
  return {
    out: nothing,
    err: nothing,
    stdin: async () => '',
    environment: {},
    isInteractive: false,
    interrupted: new AbortController().signal,
  };
}
