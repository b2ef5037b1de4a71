import { exactJsonText } from '@millrace/kernel';
import { randomUUID } from 'node:crypto';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { table } from '../output/table.js';
import { everyItem } from '../pages.js';

export interface Gate {
  readonly metric: string;
  readonly label: string | null;
  readonly guard: boolean;
  readonly verdict: string;
  readonly estimate: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly bound: number;
  readonly samples: number;
  readonly more: number | null;
  readonly numbers: Readonly<Record<string, number>>;
}

interface Evidence {
  readonly requests: { readonly primary: number; readonly candidate: number };
  readonly gates: readonly Gate[];
}

interface Arm {
  readonly model: string;
  readonly version: number;
}

interface Arms {
  readonly primary: Arm;
  readonly candidate: Arm;
}

interface Rewards {
  readonly n: number;
  readonly sum: number;
}

/** A rollout as the API shows it. */
export interface Rollout {
  readonly name: string;
  readonly status: string;
  readonly waitsFor: string | null;
  readonly run: number;
  readonly version: number;
  readonly deployment?: string;
  readonly candidate?: string;
  readonly strategy?: string;
  readonly steps?: readonly { readonly share: number; readonly pauseMs?: number }[];
  /** Of the requests, those that the candidate gets copies of. */
  readonly mirror?: number;
  readonly stepSince?: string;
  /** Which versions the run compares; absent where it began before that was kept, or has not begun. */
  readonly arms?: Arms;
  readonly step: number;
  readonly share: number;
  readonly isConcluded: boolean;
  readonly reason: string;
  readonly evidence: Evidence | null;
}

export interface Decision {
  readonly sequence: number;
  readonly type: string;
  readonly time: string;
  readonly actor: string;
  readonly data: {
    readonly share?: number;
    readonly reason?: string;
    readonly seed?: number;
    /** What a bandit's split was drawn from. */
    readonly rewards?: { readonly primary: Rewards; readonly candidate: Rewards };
    readonly arms?: Arms;
    readonly evidence?: Evidence | null;
  };
}

type Output = { readonly output: string };

const PATH = '/api/v1/rollouts';

/** Lists every rollout, those that wait to begin too. */
export async function listRollouts(client: MillraceClient, io: Io, { output }: Output): Promise<void> {
  const rollouts = await everyItem<Rollout>(client, PATH, 'rollouts');
  if (output === 'json') return io.out(json(rollouts));
  const rows = rollouts.map((rollout) => {
    const { name, deployment = '', strategy = '', candidate = '', share } = rollout;
    return [name, statusOf(rollout), deployment, strategy, candidate, shareText(share), whyOf(rollout)];
  });
  io.out(table(['NAME', 'STATUS', 'DEPLOYMENT', 'STRATEGY', 'CANDIDATE', 'SHARE', 'WHY'], rows));
}

/** Shows where one stands, with its gates as they would be judged now. */
export async function getRollout(client: MillraceClient, io: Io, name: string, { output }: Output): Promise<void> {
  const rollout = await client.json<Rollout>('GET', pathOf(name));
  io.out(output === 'json' ? json(rollout) : rolloutText(rollout));
}

/** Shows every decision there was, with the numbers it rested on. */
export async function explainRollout(client: MillraceClient, io: Io, name: string, { output }: Output): Promise<void> {
  const rollout = await client.json<Rollout & { decisions: Decision[] }>('GET', `${pathOf(name)}/explain`);
  io.out(
    output === 'json'
      ? json(rollout)
      : `${rolloutText(rollout)}\n${rollout.decisions.map(decisionText).join('') || 'nothing has been decided yet\n'}`,
  );
}

export type RolloutAction = 'promote' | 'pause' | 'resume' | 'abort';

/** Decides as a person. */
export async function actOnRollout(client: MillraceClient, io: Io, name: string, action: RolloutAction, reason?: string): Promise<void> {
  const rollout = await client.json<Rollout>('POST', `${pathOf(name)}/${action}`, {
    body: exactJsonText(reason === undefined ? {} : { reason }),
    headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
  });
  io.out(`rollout ${name} is ${statusOf(rollout)}: the candidate has ${shareText(rollout.share)} of the units\n`);
}

export function rolloutText(rollout: Rollout): string {
  const { name, run, version, deployment, candidate, strategy, arms, share, reason, waitsFor, evidence } = rollout;
  // What it waited for when that was decided last is not told beside what it waits for now.
  const isOld = reason === '' || (waitsFor !== null && reason.startsWith('waits for '));
  const lines = [`rollout ${name} is ${statusOf(rollout)}${isOld ? '' : `: ${reason}`}`];
  if (waitsFor !== null) lines.push(`it ${waitText(rollout, waitsFor)}`);
  if (deployment !== undefined) {
    const now = run === 0 ? `it has not begun (version ${version})` : `${traffic(rollout, share)} (run ${run}, version ${version})`;
    lines.push(`${strategy} of ${candidate} on deployment ${deployment}: ${now}`);
  }
  if (arms) lines.push(armsText(arms));
  if (evidence) {
    lines.push(`${evidence.requests.primary} requests of the primary, ${evidence.requests.candidate} of the candidate`);
    lines.push(...evidence.gates.map((gate) => `  ${gateText(gate)}`));
  }
  return `${lines.join('\n')}\n`;
}

/** Where its traffic is: the share, the copies, the step and how long that takes at least. */
function traffic({ status, steps = [], mirror = 0, step, stepSince }: Rollout, share: number): string {
  const isActive = status === 'running' || status === 'paused';
  const copies = isActive && mirror > 0 && share === 0 ? `, copies of ${shareText(mirror)} of the requests` : '';
  const place = steps.length > 1 && step < steps.length ? `, step ${step + 1} of ${steps.length}` : '';
  const pauseMs = (isActive && steps[step]?.pauseMs) || 0;
  const pause = pauseMs > 0 && stepSince !== undefined ? `, at least until ${new Date(Date.parse(stepSince) + pauseMs).toISOString()}` : '';
  return `${shareText(share)} of the units${copies}${place}${pause}`;
}

function whyOf(rollout: Rollout): string {
  const { status, reason, waitsFor } = rollout;
  if (waitsFor === null) return reason;
  // Why a person paused it is not told anywhere else in a list.
  const paused = status === 'paused' && reason !== '' ? `${reason}; ` : '';
  return `${paused}${waitText(rollout, waitsFor)}`;
}

function waitText({ status }: Rollout, waitsFor: string): string {
  return status === 'promoted' ? `does not answer: ${waitsFor}` : `waits for ${waitsFor}`;
}

/** One decision: what, who, why, and each gate as it stood. */
export function decisionText({ sequence, type, time, actor, data }: Decision): string {
  const { share, reason, seed, rewards, arms, evidence } = data;
  const parts = [
    share === undefined ? '' : shareText(share),
    seed === undefined ? '' : `seed ${seed}`,
    rewards === undefined ? '' : `rewards primary ${rewardsText(rewards.primary)}, candidate ${rewardsText(rewards.candidate)}`,
    arms === undefined ? '' : armsText(arms),
    reason ?? '',
  ].filter((part) => part !== '');
  const gates = (evidence?.gates ?? []).map((gate) => {
    const numbers = Object.entries(gate.numbers).map(([key, value]) => `${key}=${value}`);
    return `     ${gateText(gate)}; ${numbers.join(' ')}\n`;
  });
  const requests = evidence
    ? `     ${evidence.requests.primary} requests of the primary, ${evidence.requests.candidate} of the candidate\n`
    : '';
  return `#${sequence} ${time} ${type} by ${actor}${parts.length === 0 ? '' : `: ${parts.join('; ')}`}\n${requests}${gates.join('')}`;
}

function armsText({ primary, candidate }: Arms): string {
  return `${candidate.model} version ${candidate.version} against ${primary.model} version ${primary.version}`;
}

function rewardsText({ n, sum }: Rewards): string {
  return `n=${n} sum=${sum}`;
}

function gateText({ metric, label, guard, verdict, estimate, lower, upper, bound, samples, more }: Gate): string {
  const name = `${metric}${label === null ? '' : ` of ${label}`}${guard ? ' (guard)' : ''}`;
  const interval = `${short(estimate)} (${short(lower)} to ${short(upper)})`;
  const missing = verdict !== 'undecided' ? '' : more === null ? ', how many more cannot be said' : `, about ${more} more`;
  return `${name} ${verdict}: ${interval} against ${short(bound)}, ${samples} samples${missing}`;
}

function statusOf({ status, isConcluded }: Pick<Rollout, 'status' | 'isConcluded'>): string {
  const text = status === 'rolledBack' ? 'rolled back' : status;
  return isConcluded && (status === 'running' || status === 'paused') ? `${text}, concluded` : text;
}

function short(value: number | null): string {
  return value === null ? '?' : String(Number(value.toPrecision(3)));
}

/** As a Rollout's spec writes a share. */
function shareText(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}

function pathOf(name: string): string {
  return `${PATH}/${encodeURIComponent(name)}`;
}

function json(value: unknown): string {
  return `${exactJsonText(value, { indent: 2 })}\n`;
}
