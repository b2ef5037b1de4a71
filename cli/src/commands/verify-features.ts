import { exactJsonText } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { inOptionNames } from '../option-names.js';
import { table } from '../output/table.js';

export interface VerifyFeaturesOptions {
  readonly deployment?: string;
  readonly featureService?: string;
  readonly since?: string;
  readonly until?: string;
  readonly output: string;
}

export interface Verification {
  /** Which vectors are meant. Servers before it was there do not say. */
  readonly of?: string;
  readonly compared: number;
  readonly mismatches: number;
  readonly features: readonly { readonly view: string; readonly feature: string; readonly compared: number; readonly mismatches: number }[];
  readonly unverifiable: Readonly<Record<string, number>>;
  readonly examples: readonly {
    readonly predictionId?: string;
    readonly readId?: string;
    readonly view: string;
    readonly feature: string;
    readonly entity: Readonly<Record<string, unknown>>;
    readonly at: string;
    readonly served: unknown;
    readonly recomputed: unknown;
  }[];
}

/** Every vector of the time is recomputed, and there may be many. */
const EXTRA_MS = 30 * 60_000;

/** Has what was served recomputed from the offline store. True when every value is the same. */
export async function verifyFeatures(client: MillraceClient, io: Io, options: VerifyFeaturesOptions): Promise<boolean> {
  const { deployment, featureService, since: from, until: to, output } = options;
  const call = client.json<Verification>('POST', '/api/v1/features/verify', {
    body: exactJsonText({ deployment, featureService, from, to }),
    headers: { 'content-type': 'application/json' },
    extraTimeMs: EXTRA_MS,
  });
  const found = await inOptionNames(
    { from: '--since', to: '--until', deployment: '--deployment', featureService: '--feature-service' },
    call,
  );
  if (output === 'json') io.out(`${exactJsonText(found, { indent: 2 })}\n`);
  else io.out(verificationText(found));
  return found.mismatches === 0;
}

/** The counts by feature, the first differences, and a last line that says it all. */
export function verificationText({ of, compared, mismatches, features, unverifiable, examples }: Verification): string {
  const rows = features.map((one) => [one.view, one.feature, String(one.compared), String(one.mismatches)]);
  const counts = rows.length === 0 ? '' : `${table(['VIEW', 'FEATURE', 'COMPARED', 'MISMATCHES'], rows)}\n`;
  const differences = examples.map(({ predictionId, readId, view, feature, entity, at, served, recomputed }) => {
    const value = `${view}:${feature} of ${exactJsonText(entity)} at ${at}`;
    const id = readId === undefined ? `prediction ${predictionId}` : `read ${readId}`;
    return `${id}: ${value} was served as ${exactJsonText(served)} and is ${exactJsonText(recomputed)}\n`;
  });
  const left = Object.entries(unverifiable).map(([reason, count]) => `${count} not compared: ${reason}\n`);
  const meant = of === undefined ? '' : `of ${of}\n`;
  return `${[counts, ...differences, ...left, meant].join('')}${mismatches} mismatches in ${compared} vectors\n`;
}
