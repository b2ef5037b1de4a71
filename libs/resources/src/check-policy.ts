import { parseDuration } from '@millrace/feature-engine';
import type { Lookup } from './check-documents.js';
import type { PolicyCheckSpec, PolicySpec } from './resource.js';
import { notThere, type Say } from './say.js';

/** Fields of a check that only some types have, with the types that have them. */
const FIELDS: Readonly<Record<string, readonly PolicyCheckSpec['type'][]>> = {
  recorders: ['reported', 'goldenRows'],
  metric: ['metric'],
  better: ['metric'],
  margin: ['metric'],
  sameData: ['metric'],
  featureService: ['signature'],
  allowed: ['licence'],
  sections: ['modelCard'],
};

const REQUIRED: Readonly<Partial<Record<PolicyCheckSpec['type'], readonly (keyof PolicyCheckSpec)[]>>> = {
  metric: ['metric', 'better'],
  signature: ['featureService'],
};

/** Of a promotion request, so that the time at which it expires has a year that RFC 3339 can write. */
export const LONGEST_WAIT = { text: '999999d', milliseconds: 999_999 * 86_400_000 } as const;

/** How many approvals a request can have: of each approver one, but not of who asks. A pattern stands for any number of people. */
function mostApprovals({ approvers = ['*'], requesters = ['*'] }: PolicySpec): number {
  const isPattern = (name: string): boolean => name.includes('*');
  if (approvers.some(isPattern)) return Number.POSITIVE_INFINITY;
  const people = new Set(approvers);
  if (requesters.some(isPattern)) return people.size;
  return Math.max(...requesters.map((name) => people.size - (people.has(name) ? 1 : 0)));
}

/** What the schema of a Policy cannot say: it governs something, and each check has the fields of its type and no others. */
export function checkPolicy(spec: PolicySpec, say: Say, lookup: Lookup): void {
  if ((spec.stages ?? []).length + (spec.aliases ?? []).length === 0) {
    say('spec', 'governs nothing: name stages, for example [Production], or aliases, for example [champion]');
  }
  const admitting = (spec.stages ?? []).filter((stage) => stage !== 'None' && stage !== 'Archived');
  if (spec.governsServing && admitting.length + (spec.aliases ?? []).length === 0) {
    say(
      'spec.governsServing',
      'would keep every version from being served: name an alias, or the stage Staging or Production, that admits one',
    );
  }
  const approvals = spec.approvals ?? 1;
  const most = mostApprovals(spec);
  if (approvals > most) {
    say(
      'spec.approvals',
      `asks for ${approvals}, and of the approvers at most ${most} can give theirs: nobody approves what they asked for`,
    );
  }
  const wait = spec.expiresAfter;
  if (wait !== undefined && (parseDuration(wait) ?? Infinity) > LONGEST_WAIT.milliseconds) {
    say('spec.expiresAfter', `is ${wait}; a request may wait ${LONGEST_WAIT.text} at most`);
  }
  const names = new Set<string>();
  (spec.checks ?? []).forEach((check, index) => {
    const field = `spec.checks[${index}]`;
    if (names.has(check.name)) say(`${field}.name`, `${check.name} is there twice`);
    names.add(check.name);
    for (const required of REQUIRED[check.type] ?? []) {
      if (check[required] === undefined) say(`${field}.${required}`, `is missing; a ${check.type} check needs it`);
    }
    for (const [name, types] of Object.entries(FIELDS)) {
      if (check[name as keyof PolicyCheckSpec] !== undefined && !types.includes(check.type)) {
        say(`${field}.${name}`, `is a field of ${types.join(' and ')} checks, this one is ${check.type}`);
      }
    }
    if (check.featureService !== undefined && !lookup('FeatureService', check.featureService)) {
      say(`${field}.featureService`, notThere('FeatureService', check.featureService));
    }
  });
}
