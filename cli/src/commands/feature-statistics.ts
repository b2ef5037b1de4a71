import { exactJsonText } from '@millrace/kernel';
import type { MillraceClient } from '../client.js';
import type { Io } from '../io.js';
import { inOptionNames } from '../option-names.js';
import { table } from '../output/table.js';

export interface FeatureStatisticsOptions {
  readonly since?: string;
  readonly until?: string;
  readonly every: string;
  readonly of: string;
  readonly output: string;
}

interface Interval {
  readonly from: string;
  readonly count: number;
  readonly population: number;
  readonly nulls: number;
  readonly notFound: number;
  readonly outsideMaxAge: number;
  readonly distinct: number;
  readonly min: number | string | null;
  readonly max: number | string | null;
  readonly mean: number | null;
  readonly stddev: number | null;
  readonly quantiles: Readonly<Record<string, number>> | null;
  readonly top: readonly { readonly value: string; readonly count: number }[] | null;
}

export interface FeatureStatistics {
  readonly view: string;
  readonly of: string;
  readonly behind: { readonly records: number; readonly hours: number };
  readonly features: readonly { readonly name: string; readonly series: readonly Interval[] }[];
}

/** What has to be counted first may be much. */
const EXTRA_MS = 10 * 60_000;

/** Shows what a view's features are like over time. */
export async function featureStatistics(
  client: MillraceClient,
  io: Io,
  reference: string,
  options: FeatureStatisticsOptions,
): Promise<void> {
  const { since, until, every, of, output } = options;
  const asked = Object.entries({ view: reference, from: since, to: until, every, of }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  const path = `/api/v1/features/statistics?${new URLSearchParams(asked).toString()}`;
  const call = client.json<FeatureStatistics>('GET', path, { extraTimeMs: EXTRA_MS });
  const found = await inOptionNames({ from: '--since', to: '--until', every: '--every', of: '--of' }, call);
  io.out(output === 'json' ? `${exactJsonText(found, { indent: 2 })}\n` : statisticsText(found));
}

const HEADINGS = ['FROM', 'COUNT', 'NULLS'];
/** What only a served value can be. */
const SERVED_HEADINGS = ['NOT FOUND', 'TOO OLD'];
const VALUE_HEADINGS = ['DISTINCT', 'MIN', 'P05', 'P50', 'P95', 'MAX', 'MEAN', 'STDDEV', 'MOST FREQUENT'];
const MOST_FREQUENT = 3;

/** A table for each feature; a sample says of how many, and a last line what is not counted yet. */
export function statisticsText({ view, of, behind, features }: FeatureStatistics): string {
  const isServed = of === 'served';
  const headings = [...HEADINGS, ...(isServed ? SERVED_HEADINGS : []), ...VALUE_HEADINGS];
  const tables = features.map(({ name, series }) => {
    if (series.length === 0) return `${view}:${name}\nno values\n\n`;
    const rows = series.map(
      ({ from, count, population, nulls, notFound, outsideMaxAge, distinct, min, max, mean, stddev, quantiles, top }) => [
        from.replace(':00.000Z', 'Z'),
        population === count ? String(count) : `${count} of ${population}`,
        String(nulls),
        ...(isServed ? [String(notFound), String(outsideMaxAge)] : []),
        String(distinct),
        ...[min, quantiles?.['p05'], quantiles?.['p50'], quantiles?.['p95'], max, mean, stddev].map(shown),
        (top ?? [])
          .slice(0, MOST_FREQUENT)
          .map((one) => `${one.value} (${one.count})`)
          .join(', '),
      ],
    );
    return `${view}:${name}\n${table(headings, rows)}\n`;
  });
  const { records, hours } = behind;
  const missing = [...(records > 0 ? [`${records} records`] : []), ...(hours > 0 ? [`${hours} hours`] : [])];
  return `${tables.join('')}${missing.length === 0 ? '' : `not counted yet: ${missing.join(' and ')}; ask again later\n`}`;
}

function shown(value: number | string | null | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;
}
