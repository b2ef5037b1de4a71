import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { embeddedTopology, FEAST, tempDir, type TempDir, type Topology } from '@millrace/testing';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyResources, startFeast, type FeastServer } from './feast-side.js';
import { summaries, type Answer } from './answer-summary.js';

/** One question, asked of both in the order of the file: what is pushed by one is read by the next. */
interface Question {
  readonly ask: string;
  readonly path: string;
  readonly body?: unknown;
  /** The body itself, where it is no JSON. */
  readonly text?: string;
}

type Mode = 'mended' | 'strict';

/** How the answers differ, and why they are meant to. */
interface Difference {
  readonly ask: string;
  readonly feast: string;
  readonly millrace: string;
  readonly reason: string;
}

const MODES: readonly Mode[] = ['mended', 'strict'];
const QUESTIONS = await load<Question[]>('questions.json');
const DIFFERENCES = await load<Record<Mode, Difference[]>>('differences.json');

const HOUR = 3_600_000;
const started = Math.floor(Date.now() / 1000) * 1000;
const isoOf = (offset: number): string => new Date(started + offset).toISOString();
const TIMES: Readonly<Record<string, string>> = {
  $FRESH: isoOf(-HOUR),
  $OLDER: isoOf(-2 * HOUR),
  $EXPIRED: isoOf(-72 * HOUR),
  $AHEAD: isoOf(HOUR),
  $MICROSECONDS: isoOf(-HOUR).replace('.000Z', '.123456Z'),
};

async function load<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(import.meta.dirname, name), 'utf8')) as T;
}

async function answersOf(url: string, mode: Mode | undefined): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const { path, body, text } of QUESTIONS) {
    const sent = text ?? JSON.stringify(body).replaceAll(/\$[A-Z]+/g, (name) => TIMES[name] as string);
    const query = mode === undefined ? '' : `${path.includes('?') ? '&' : '?'}compat=${mode}`;
    const response = await fetch(`${url}${path}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: sent === '' ? null : sent,
    });
    answers.push({ status: response.status, body: await response.text() });
  }
  return answers;
}

describe(`Millrace and feast serve ${FEAST} are asked the same`, () => {
  let directory: TempDir;
  let platform: Topology;
  let feast: FeastServer;
  let feastAnswers: Answer[];

  beforeAll(async () => {
    directory = await tempDir('feast-differential');
    const repository = join(directory.path, 'feast');
    await mkdir(repository);
    platform = await embeddedTopology(join(directory.path, 'millrace'));
    [feast] = await Promise.all([startFeast(repository, 'sqlite'), platform.start()]);
    await applyResources(platform.url);
    feastAnswers = await answersOf(feast.url, undefined);
  }, 600_000);

  afterAll(async () => {
    await platform.stop();
    await feast.process.stop();
    await directory.remove();
  });

  // The second comes to what the first has pushed, and pushes it again: of two rows of one time the later stands.
  test.each(MODES)(
    'compat=%s: they differ where it is written, as it is written',
    async (mode) => {
      const answers = await answersOf(platform.url, mode);
      const found = QUESTIONS.flatMap(({ ask }, index) => {
        const said = summaries(feastAnswers[index] as Answer, answers[index] as Answer);
        return said === undefined ? [] : [{ ask, ...said }];
      });
      // A file of what was found, to put reasons to.
      const target = process.env['FEAST_DIFFERENCES'];
      if (target !== undefined) await writeFile(`${target}.${mode}.json`, JSON.stringify(found, null, 2));
      expect(found).toEqual(DIFFERENCES[mode].map(({ ask, feast: theirs, millrace }) => ({ ask, feast: theirs, millrace })));
    },
    60_000,
  );

  test('every difference has its reason', () => {
    for (const mode of MODES) expect(DIFFERENCES[mode].filter(({ reason }) => !/\w{3,} \w/.test(reason))).toEqual([]);
  });
});
