import { exactJsonText, parseExactJson } from '@millrace/kernel';
import { readFile } from 'node:fs/promises';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import type { Io } from '../io.js';
import { inOptionNames } from '../option-names.js';
import { table } from '../output/table.js';
import { everyItem } from '../pages.js';

/** A promotion request as the server shows it. */
interface PromotionView {
  readonly model: string;
  readonly request: number;
  readonly version: number;
  readonly target: { readonly stage?: string; readonly alias?: string };
  readonly status: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly approvals: readonly { readonly actor: string }[];
  readonly unmet?: readonly { readonly policy: string; readonly message: string }[];
  readonly closingReason?: string;
}

export interface TargetOptions {
  readonly stage?: string;
  readonly alias?: string;
  readonly reason?: string;
}

export async function requestPromotion(
  client: MillraceClient,
  io: Io,
  name: string,
  version: string,
  options: TargetOptions,
): Promise<void> {
  const { stage, alias, reason } = options;
  if ((stage === undefined) === (alias === undefined)) throw new CliError('say where it is to go: --stage or --alias', EXIT.usage);
  tell(io, await client.json<PromotionView>('POST', `${pathOf(name)}/promotions`, body({ version, stage, alias, reason })));
}

export async function decide(
  client: MillraceClient,
  io: Io,
  verb: 'approve' | 'reject' | 'withdraw' | 'promote',
  name: string,
  request: string,
  text: string | undefined,
): Promise<void> {
  const said = verb === 'approve' ? { comment: text } : verb === 'promote' ? {} : { reason: text };
  tell(io, await client.json<PromotionView>('POST', `${pathOf(name)}/promotions/${encodeURIComponent(request)}/${verb}`, body(said)));
}

export async function requests(
  client: MillraceClient,
  io: Io,
  name: string | undefined,
  options: { status?: string; output: string },
): Promise<void> {
  const path = name === undefined ? '/api/v1/promotions' : `${pathOf(name)}/promotions`;
  const promotions = await everyItem<PromotionView>(client, path, 'promotions', { status: options.status });
  if (options.output === 'json') io.out(`${exactJsonText(promotions, { indent: 2 })}\n`);
  else if (promotions.length === 0) io.err('no promotion requests\n');
  else {
    const rows = promotions.map((one) => [
      one.model,
      String(one.request),
      String(one.version),
      targetOf(one.target),
      one.status,
      one.requestedBy,
      one.approvals.map(({ actor }) => actor).join(','),
      one.reason,
    ]);
    io.out(table(['MODEL', 'REQUEST', 'VERSION', 'TO', 'STATUS', 'BY', 'APPROVED BY', 'REASON'], rows));
  }
}

export async function rollback(client: MillraceClient, io: Io, name: string, options: TargetOptions & { to?: string }): Promise<void> {
  const { stage, alias, to, reason } = options;
  const done = await client.json<{ stage?: string; alias?: string; version: number; rolledBack: number | null }>(
    'POST',
    `${pathOf(name)}/rollback`,
    body({ stage, alias, to, reason }),
  );
  const from = done.rolledBack === null ? '' : `, version ${done.rolledBack} was rolled back`;
  io.out(`${name}: ${targetOf(done)} is version ${done.version} again${from}\n`);
}

interface HistoryEntry {
  readonly time: string;
  readonly actor: string;
  readonly type: string;
  readonly reason: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export async function history(client: MillraceClient, io: Io, name: string, options: { output: string }): Promise<void> {
  const rows: string[][] = [];
  let pageToken: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '1000', ...(pageToken === undefined ? {} : { pageToken }) });
    const page = await client.json<{ entries: HistoryEntry[]; nextPageToken?: string }>(
      'GET',
      `${pathOf(name)}/history?${query.toString()}`,
    );
    for (const entry of page.entries) {
      if (options.output === 'json') io.out(`${exactJsonText(entry)}\n`);
      else rows.push([entry.time, entry.actor, entry.type, whatOf(entry.data), entry.reason ?? '']);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  if (options.output !== 'json') io.out(table(['TIME', 'ACTOR', 'WHAT', 'ABOUT', 'REASON'], rows));
}

export async function card(client: MillraceClient, io: Io, name: string, version: string, options: { output: string }): Promise<void> {
  const path = `${pathOf(name)}/versions/${encodeURIComponent(version)}/card?format=${options.output}`;
  if (options.output === 'json') io.out(`${exactJsonText(await client.json('GET', path), { indent: 2 })}\n`);
  else io.out(await (await client.call('GET', path)).text());
}

export interface CheckOptions {
  readonly check?: string;
  readonly passed?: boolean;
  readonly failed?: boolean;
  readonly detail?: string;
  readonly golden?: string;
  readonly evaluate?: boolean;
  readonly tolerance: string;
}

/** Records a check's result: as told, or as comparing the gateway's answers with golden rows finds it. True when it passed. */
export async function check(client: MillraceClient, io: Io, name: string, version: string, options: CheckOptions): Promise<boolean> {
  const ways = [options.passed, options.failed, options.evaluate, options.golden].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new CliError('say how it went with --passed or --failed, or let --golden or --evaluate find out', EXIT.usage);
  }
  if (options.evaluate) return evaluate(client, io, name, version, options);
  const result = options.golden === undefined ? told(options) : await golden(client, name, version, options.golden, options.tolerance);
  const checkName = options.check ?? (options.golden === undefined ? 'validation' : 'golden');
  await client.json('POST', `${pathOf(name)}/versions/${encodeURIComponent(version)}/checks`, body({ check: checkName, ...result }));
  io.out(
    `${name} version ${version}: check ${checkName} ${result.passed ? 'passed' : 'failed'}${result.detail === '' ? '' : `, ${result.detail}`}\n`,
  );
  return result.passed;
}

/** Lets the registry make its own checks of a version again. True when all passed. */
async function evaluate(client: MillraceClient, io: Io, name: string, version: string, options: CheckOptions): Promise<boolean> {
  if (options.check !== undefined || options.detail !== undefined)
    throw new CliError('--evaluate makes all checks that the registry makes itself: leave out --check and --detail', EXIT.usage);
  const path = `${pathOf(name)}/versions/${encodeURIComponent(version)}/checks/evaluate`;
  const { checks } = await client.json<{ checks: readonly CheckView[] }>('POST', path, body({}));
  const evaluated = checks.filter(({ source }) => source === 'evaluated');
  for (const { check: checkName, policy, passed, detail } of evaluated) {
    const of = policy === undefined ? '' : ` of policy ${policy}`;
    io.out(`${name} version ${version}: check ${checkName}${of} ${passed ? 'passed' : 'failed'}${detail === '' ? '' : `, ${detail}`}\n`);
  }
  return evaluated.every(({ passed }) => passed);
}

interface CheckView {
  readonly check: string;
  readonly policy?: string;
  readonly passed: boolean;
  readonly detail: string;
  readonly source: 'evaluated' | 'reported';
}

interface CheckResult {
  readonly passed: boolean;
  readonly detail: string;
  readonly evidence?: Readonly<Record<string, string | number>>;
}

function told({ passed = false, detail = '' }: CheckOptions): CheckResult {
  return { passed, detail };
}

interface GoldenCase {
  readonly inputs: readonly object[];
  readonly outputs: readonly { readonly name: string; readonly data: readonly unknown[] }[];
}

/** Asks the gateway each golden case, `{"inputs", "outputs"}` of the Open Inference Protocol a line, and compares value by value. */
async function golden(client: MillraceClient, name: string, version: string, file: string, toleranceText: string): Promise<CheckResult> {
  const tolerance = Number(toleranceText);
  if (!(tolerance >= 0)) throw new CliError('--tolerance is a number from 0', EXIT.usage);
  const cases = (
    await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new CliError(`cannot read ${file}`, EXIT.usage, { cause });
    })
  )
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => goldenCase(line, `${file}, line ${index + 1}`));
  if (!cases.some(({ outputs }) => outputs.some(({ data }) => data.length > 0)))
    throw new CliError(`${file} expects no value: give a case a line, {"inputs": [...], "outputs": [...]}`, EXIT.usage);
  let values = 0;
  let largest = 0;
  const wrong: string[] = [];
  for (const [index, { inputs, outputs }] of cases.entries()) {
    // Also of a version that no policy has admitted to serving yet: this is what it is admitted by.
    const path = `/api/v1/serving/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/try`;
    const answer = await client.json<{ outputs: { name: string; data: unknown[] }[] }>('POST', path, body({ inputs }));
    for (const expected of outputs) {
      const got = answer.outputs.find((one) => one.name === expected.name)?.data ?? [];
      expected.data.forEach((value, at) => {
        values++;
        const difference = differenceOf(value, got[at]);
        largest = Math.max(largest, difference);
        if (difference > tolerance)
          wrong.push(`line ${index + 1}, ${expected.name}[${at}]: ${exactJsonText(got[at])} instead of ${exactJsonText(value)}`);
      });
      if (got.length !== expected.data.length)
        wrong.push(`line ${index + 1}, ${expected.name}: ${got.length} values instead of ${expected.data.length}`);
    }
  }
  const detail =
    wrong.length === 0 ? `${values} values of ${cases.length} cases agree` : `${wrong.length} of ${values} values differ: ${wrong[0]}`;
  return {
    passed: wrong.length === 0,
    detail,
    evidence: { cases: cases.length, values, differing: wrong.length, largest, tolerance },
  };
}

function goldenCase(line: string, place: string): GoldenCase {
  try {
    const { inputs, outputs } = parseExactJson(line) as Partial<GoldenCase>;
    if (Array.isArray(inputs) && Array.isArray(outputs)) return { inputs, outputs };
  } catch {
    // Said below.
  }
  throw new CliError(`${place}: expected {"inputs": [...], "outputs": [...]} of the Open Inference Protocol`, EXIT.usage);
}

function differenceOf(expected: unknown, got: unknown): number {
  if (typeof expected === 'number' && typeof got === 'number') return Math.abs(expected - got);
  return exactJsonText(expected) === exactJsonText(got) ? 0 : Number.MAX_VALUE;
}

export interface AuditOptions {
  readonly model?: string;
  readonly subject?: string;
  readonly actor?: string;
  readonly key?: string;
  readonly since?: string;
  readonly until?: string;
}

/** Writes the audit trail, a decision a line. */
export async function audit(client: MillraceClient, io: Io, options: AuditOptions): Promise<void> {
  const { model, subject, actor, key: keyId, since: from, until: to } = options;
  const asked = Object.entries({ model, subject, actor, keyId, from, to }).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  const query = new URLSearchParams([['format', 'jsonl'], ...asked]);
  const call = client.call('GET', `/api/v1/audit?${query.toString()}`, { extraTimeMs: 600_000 });
  const response = await inOptionNames({ from: '--since', to: '--until', subject: '--subject', actor: '--actor', keyId: '--key' }, call);
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) io.out(decoder.decode(chunk as Uint8Array, { stream: true }));
}

function tell(io: Io, { model, request, version, target, status, unmet = [], closingReason }: PromotionView): void {
  io.out(
    `${model} request ${request}: version ${version} to ${targetOf(target)} is ${status}${closingReason ? `: ${closingReason}` : ''}\n`,
  );
  for (const { policy, message } of unmet) io.out(`  ${policy}: ${message}\n`);
}

function targetOf({ stage, alias }: { stage?: string; alias?: string }): string {
  return stage ?? `@${alias ?? ''}`;
}

/** The part of a decision that says what it was about. */
function whatOf(data: Readonly<Record<string, unknown>>): string {
  const shown = ['request', 'version', 'alias', 'from', 'to', 'check', 'passed', 'archived', 'rollsBack', 'name', 'key', 'value'];
  return shown
    .flatMap((key) => (data[key] === undefined || data[key] === null ? [] : [`${key}=${short(exactJsonText(data[key]))}`]))
    .join(' ');
}

function short(text: string): string {
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

const LONGEST_SHOWN = 60;

function pathOf(name: string): string {
  return `/api/v1/models/${encodeURIComponent(name)}`;
}

function body(value: object): { body: string; headers: Record<string, string> } {
  return { body: exactJsonText(value), headers: { 'content-type': 'application/json' } };
}
