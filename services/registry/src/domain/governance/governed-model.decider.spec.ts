import { describe, expect, test } from '@jest/globals';
import { canonical, matchesAny, shellArgument } from '@millrace/kernel';
import fc from 'fast-check';
import { STAGES } from '../model/model.events.js';
import type { Target } from './governance.events.js';
import { holderOf, type GovernedModel } from './governance.state.js';
import { governedModel, type GovernedCommand, type GovernedEvent } from './governed-model.decider.js';
import type { Rule } from './rules.js';

const subject = 'model/m1';
const CHAMPION: Target = { kind: 'alias', name: 'champion' };
const PRODUCTION: Target = { kind: 'stage', name: 'Production' };
const VERSION = {
  name: 'delay',
  source: 's3://b/m',
  artifactPath: null,
  digest: null,
  runId: null,
  runLink: null,
  description: null,
  tags: {},
};

function rule(changes: Partial<Rule> = {}): Rule {
  return {
    model: 'delay',
    policy: 'production',
    policyVersion: 1,
    stages: ['Production'],
    aliases: ['champion'],
    from: null,
    requesters: ['*'],
    approvers: ['*'],
    approvals: 1,
    checks: [],
    lifetimeMs: 1000,
    isAutomatic: true,
    archivesOthers: true,
    rollback: ['*'],
    ...changes,
  };
}

/** One model's history, command by command, as the log would take it. */
class Story {
  state = governedModel.initial();
  readonly events: GovernedEvent[] = [];
  #time = 0;

  constructor(readonly rules: readonly Rule[] = [rule()]) {
    for (let count = 0; count < 3; count++) this.does('ann', { type: 'RegisterVersion', ...VERSION });
  }

  does(actor: string, command: GovernedCommand, time = ++this.#time) {
    this.#time = time;
    const before = canonical(this.state);
    const decision = governedModel.decide(command, this.state, { subject, commandId: 'c', time, actor });
    expect(canonical(this.state)).toBe(before);
    if (decision.kind === 'accept') {
      this.events.push(structuredClone(decision.event));
      this.state = governedModel.evolve(this.state, decision.event, { subject, sequence: this.events.length, time, actor });
    }
    return decision;
  }

  requests(actor: string, version: number, target = CHAMPION) {
    return this.does(actor, { type: 'RequestPromotion', version, target, archiveOthers: null, reason: 'better', rules: this.rules });
  }
  approves(actor: string, request: number) {
    return this.does(actor, { type: 'ApprovePromotion', request, comment: '', rules: this.rules });
  }
  promotes(request: number, isByPolicy = true, actor = 'millrace') {
    return this.does(actor, { type: 'PromoteVersion', request, rules: this.rules, isByPolicy });
  }
  checks(actor: string, version: number, passed: boolean, against: number | null = null, source: 'reported' | 'evaluated' = 'reported') {
    return this.does(actor, { type: 'RecordCheck', version, check: 'validation', passed, detail: '', evidence: {}, against, source });
  }
  moves(actor: string, version: number) {
    return this.does(actor, { type: 'MoveVersion', version, to: 'Production', archiveOthers: true, rules: this.rules });
  }
  rollsBack(actor: string, target: Target | null = null, to: number | null = null) {
    return this.does(actor, { type: 'RollBack', target, to, reason: 'bad', rules: this.rules });
  }
}

const refused = (code: string) => ({ kind: 'reject', rejection: expect.objectContaining({ code: `MR_REGISTRY_${code}` }) });
const accepted = (type: string, data: object) => ({ kind: 'accept', event: { type, data: expect.objectContaining(data) } });

describe('a governed model', () => {
  test('is promoted when it has what its policy asks for, and the move names its request', () => {
    const story = new Story();
    expect(story.requests('ann', 2)).toEqual(accepted('PromotionRequested', { request: 1, version: 2, target: CHAMPION }));
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    expect(story.approves('bob', 1)).toEqual(accepted('PromotionApproved', { request: 1 }));
    const reason = 'better (asked for by ann; approved by bob; policy production)';
    expect(story.promotes(1)).toEqual(accepted('AliasAssigned', { alias: 'champion', version: 2, previous: null, request: 1, reason }));
    expect(story.state.governance.promotions.get(1)).toMatchObject({ status: 'promoted', closedBy: 'millrace' });
    expect(story.promotes(1)).toEqual(refused('PROMOTION_CLOSED'));
  });

  test('nobody approves their own request, nobody without a name, nobody twice', () => {
    const story = new Story([rule({ approvals: 2, approvers: ['b*', 'ann'] })]);
    story.requests('ann', 1);
    expect(story.approves('ann', 1)).toEqual(refused('SELF_APPROVAL_FORBIDDEN'));
    expect(story.approves('anonymous', 1)).toEqual(refused('ACTOR_REQUIRED'));
    expect(story.approves('carl', 1)).toEqual(refused('APPROVER_FORBIDDEN'));
    story.approves('bob', 1);
    expect(story.approves('bob', 1)).toEqual({ kind: 'unchanged' });
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    story.approves('bea', 1);
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
    expect(story.requests('anonymous', 2)).toEqual(refused('ACTOR_REQUIRED'));
  });

  test('one person under several spellings of a name is one', () => {
    const story = new Story([rule({ approvals: 2 })]);
    story.requests('alice', 1);
    for (const spelling of ['Alice', 'ALICE', 'a\u200Blice', 'ａlice'])
      expect([spelling, story.approves(spelling, 1)]).toEqual([spelling, refused('SELF_APPROVAL_FORBIDDEN')]);
    story.approves('bob', 1);
    story.approves('Bob', 1);
    expect(story.promotes(1)).toMatchObject({ rejection: { message: expect.stringContaining('1 more approval needed (given by bob)') } });
    story.approves('carl', 1);
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
    // What was asked for in one spelling is withdrawn in the other.
    story.requests('Dora', 2);
    expect(story.does('dora', { type: 'WithdrawPromotion', request: 2, reason: '' })).toMatchObject({ kind: 'accept' });
  });

  test('of two spellings the one counts that the policy names', () => {
    const story = new Story([rule({ approvers: ['bob'] }), rule({ policy: 'other', approvers: ['Bob'] })]);
    story.requests('ann', 1);
    story.approves('bob', 1);
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    story.approves('Bob', 1);
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
  });

  test('who may ask, and from where, is the policy’s', () => {
    const story = new Story([rule({ requesters: ['ml-*'], from: ['Staging'] })]);
    expect(story.requests('ann', 1)).toEqual(refused('REQUESTER_FORBIDDEN'));
    expect(story.requests('ml-ann', 1)).toEqual(refused('PROMOTION_FROM'));
    story.does('x', { type: 'MoveVersion', version: 1, to: 'Staging', archiveOthers: false });
    expect(story.requests('ml-ann', 1)).toMatchObject({ kind: 'accept' });
    expect(story.requests('ml-eve', 1)).toEqual(refused('PROMOTION_REPEATED'));
    expect(story.requests('ml-ann', 9)).toEqual(refused('VERSION_NOT_FOUND'));
    expect(story.requests('ml-ann', 1, { kind: 'alias', name: 'free' })).toEqual(refused('PROMOTION_UNGOVERNED'));
  });

  test('moves by MLflow’s calls: refused without a request, fulfilled by one that has all it needs', () => {
    const story = new Story();
    expect(story.moves('ann', 1)).toMatchObject({
      rejection: {
        code: 'MR_REGISTRY_PROMOTION_REQUIRED',
        message: expect.stringMatching(
          /"millrace models request delay 1 --stage Production" or POST \/api\/v1\/models\/delay\/promotions$/,
        ),
      },
    });
    story.requests('ann', 1, PRODUCTION);
    expect(story.moves('ann', 1)).toEqual(refused('PROMOTION_UNMET'));
    story.approves('bob', 1);
    expect(story.moves('anonymous', 1)).toEqual(accepted('VersionMoved', { version: 1, to: 'Production', request: 1 }));
    expect(story.moves('anonymous', 1)).toEqual({ kind: 'unchanged' });
    expect(story.does('ann', { type: 'AssignAlias', alias: 'other', version: 1, rules: story.rules })).toMatchObject({ kind: 'accept' });
  });

  test('taking away from a governed place is for who may roll back', () => {
    const story = new Story([]);
    story.moves('ann', 1);
    story.does('ann', { type: 'AssignAlias', alias: 'champion', version: 1 });
    const rules = [rule({ rollback: ['sre'] })];
    for (const command of [
      { type: 'MoveVersion', version: 1, to: 'Archived', archiveOthers: false, rules },
      { type: 'RemoveAlias', alias: 'champion', rules },
      { type: 'DeleteVersion', version: 1, rules },
    ] satisfies GovernedCommand[]) {
      expect(story.does('ann', command)).toEqual(refused('POLICY_FORBIDDEN'));
    }
    expect(story.does('sre', { type: 'RemoveAlias', alias: 'champion', rules })).toMatchObject({ kind: 'accept' });
    expect(story.does('ann', { type: 'DeleteVersion', version: 2, rules })).toMatchObject({ kind: 'accept' });
  });

  test('the last result of a check counts, if it is of someone whose results do', () => {
    const check = { name: 'validation', recorders: ['ci'], comparesWithHolder: false, maxAgeMs: null, awaits: null };
    const story = new Story([rule({ approvals: 0, checks: [check] })]);
    story.requests('ann', 1);
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    story.checks('ann', 1, true);
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    story.checks('ci', 1, false);
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    story.checks('ci', 1, true);
    expect(story.checks('ci', 1, true)).toEqual({ kind: 'unchanged' });
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
  });

  test('what somebody reports whose results do not count changes nothing; two policies may ask two for one check', () => {
    const check = { name: 'validation', recorders: ['ci'], comparesWithHolder: false, maxAgeMs: null, awaits: null };
    const named = (policy: string, recorders: string[]) => rule({ policy, approvals: 0, checks: [{ ...check, recorders }] });
    const story = new Story([named('quality', ['ci']), named('risk', ['bea'])]);
    story.requests('ann', 1);
    const lacks = (why: string) =>
      expect(story.promotes(1)).toMatchObject({ rejection: { message: `request 1 cannot be promoted yet: ${why}` } });
    story.checks('ci', 1, true);
    story.checks('eve', 1, true);
    lacks('risk: check validation was recorded by eve, whose results do not count here');
    story.checks('bea', 1, false);
    story.checks('eve', 1, true);
    lacks('risk: check validation failed');
    story.checks('bea', 1, true);
    story.checks('eve', 1, false);
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
  });

  test('where anybody may report, the last word is the last one’s', () => {
    const check = { name: 'validation', recorders: ['*'], comparesWithHolder: false, maxAgeMs: null, awaits: null };
    const story = new Story([rule({ approvals: 0, checks: [check] })]);
    story.requests('ann', 1);
    story.checks('ci', 1, true);
    story.checks('eve', 1, false);
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    expect(story.checks('ci', 1, true)).toMatchObject({ kind: 'accept' });
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
  });

  test('checks of one name in two policies are two checks; a result from before policies were said counts for both', () => {
    const check = { name: 'licence', recorders: null, comparesWithHolder: false, maxAgeMs: null, awaits: null };
    const named = (policy: string) => rule({ policy, approvals: 0, checks: [check] });
    const story = new Story([named('any'), named('open')]);
    const found = { check: 'licence', detail: '', evidence: {}, against: null, source: 'evaluated' } as const;
    const finds = (passed: boolean, policy?: string, version = 1) =>
      story.does('ann', { type: 'RecordCheck', version, passed, ...found, ...(policy === undefined ? {} : { policy }) });
    story.requests('ann', 1);
    finds(true, 'any');
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    finds(false, 'open');
    finds(true, 'any');
    expect(story.promotes(1)).toEqual(refused('PROMOTION_UNMET'));
    finds(true, 'open');
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
    story.requests('ann', 2);
    finds(true, undefined, 2);
    expect(story.promotes(2)).toMatchObject({ kind: 'accept' });
  });

  test('a comparison with a champion that is no more does not count', () => {
    const check = { name: 'validation', recorders: null, comparesWithHolder: true, maxAgeMs: null, awaits: null };
    const story = new Story([rule({ approvals: 0, checks: [check] })]);
    for (const version of [1, 2]) {
      story.checks('ann', version, true, null, 'evaluated');
      story.requests('ann', version);
    }
    expect(story.promotes(1)).toMatchObject({ kind: 'accept' });
    expect(story.promotes(2)).toEqual(refused('PROMOTION_UNMET'));
    story.checks('ann', 2, true, 1, 'evaluated');
    expect(story.promotes(2)).toMatchObject({ kind: 'accept' });
  });

  test('a request ends: rejected, withdrawn by its requester, or by time', () => {
    const story = new Story();
    story.requests('ann', 1);
    expect(story.does('ann', { type: 'RejectPromotion', request: 1, reason: 'no', rules: story.rules })).toEqual(
      refused('SELF_APPROVAL_FORBIDDEN'),
    );
    expect(story.does('bob', { type: 'WithdrawPromotion', request: 1, reason: '' })).toEqual(refused('REQUESTER_FORBIDDEN'));
    expect(story.does('bob', { type: 'RejectPromotion', request: 1, reason: 'no', rules: story.rules })).toMatchObject({ kind: 'accept' });
    expect(story.approves('bob', 1)).toEqual(refused('PROMOTION_CLOSED'));
    story.requests('ann', 1);
    expect(story.does('ann', { type: 'WithdrawPromotion', request: 2, reason: '' })).toMatchObject({ kind: 'accept' });
    story.requests('ann', 1);
    expect(story.does('millrace', { type: 'ExpirePromotion', request: 3 })).toEqual({ kind: 'unchanged' });
    expect(story.does('bob', { type: 'ApprovePromotion', request: 3, comment: '', rules: story.rules }, 5000)).toEqual(
      refused('PROMOTION_EXPIRED'),
    );
    expect(story.does('millrace', { type: 'ExpirePromotion', request: 3 })).toEqual(accepted('PromotionExpired', { request: 3 }));
    expect(story.approves('bob', 4)).toEqual(refused('PROMOTION_NOT_FOUND'));
  });

  test('rolls back to the last good version: never to one that was rolled back itself', () => {
    const story = new Story([]);
    expect(story.rollsBack('ann')).toEqual(refused('ROLLBACK_NOTHING'));
    for (const version of [1, 2, 3]) story.moves('ann', version);
    expect(story.rollsBack('ann')).toEqual(
      accepted('VersionMoved', { version: 2, from: 'Archived', to: 'Production', archived: [3], rollsBack: 3 }),
    );
    expect(story.rollsBack('ann', PRODUCTION, 3)).toEqual(refused('ROLLBACK_VERSION_INVALID'));
    expect(story.rollsBack('ann')).toEqual(accepted('VersionMoved', { version: 1, archived: [2], rollsBack: 2 }));
    expect(story.rollsBack('ann')).toEqual(refused('ROLLBACK_NOTHING'));
    expect([...story.state.versions.values()].map(({ stage }) => stage)).toEqual(['Production', 'Archived', 'Archived']);
    story.does('ann', { type: 'AssignAlias', alias: 'champion', version: 1 });
    story.does('ann', { type: 'AssignAlias', alias: 'champion', version: 2 });
    expect(story.rollsBack('ann')).toEqual(accepted('AliasAssigned', { alias: 'champion', version: 1, previous: 2, rollsBack: 2 }));
    const guarded = new Story([rule({ rollback: ['sre'] })]);
    guarded.state = story.state;
    expect(guarded.rollsBack('ann', PRODUCTION)).toEqual(refused('POLICY_FORBIDDEN'));
  });

  test('rolls back to a version that is named where nobody is any more', () => {
    const story = new Story([]);
    expect(story.rollsBack('ann', CHAMPION)).toEqual(refused('ROLLBACK_NOTHING'));
    for (const version of [1, 2, 3]) story.does('ann', { type: 'AssignAlias', alias: 'champion', version });
    story.does('ann', { type: 'RemoveAlias', alias: 'champion' });
    expect(story.rollsBack('ann', CHAMPION)).toMatchObject({ rejection: { message: expect.stringContaining('--to): 3, 2, 1, the last') } });
    expect(story.rollsBack('ann', CHAMPION, 4)).toEqual(refused('ROLLBACK_VERSION_INVALID'));
    const back = { alias: 'champion', version: 2, previous: null, reason: 'bad', rollsBack: 3 };
    expect(story.rollsBack('ann', CHAMPION, 2)).toMatchObject({ event: { data: back } });
    expect(story.rollsBack('ann', CHAMPION)).toEqual(accepted('AliasAssigned', { version: 1, rollsBack: 2 }));
    story.does('ann', { type: 'RemoveAlias', alias: 'champion' });
    expect(story.rollsBack('ann', CHAMPION, 1)).toMatchObject({ event: { data: expect.not.objectContaining({ rollsBack: 1 }) } });
  });

  test('names in commands', () => {
    expect(['delay.v2', 'flight delays', "Ann's"].map(shellArgument)).toEqual(['delay.v2', "'flight delays'", "'Ann'\\''s'"]);
  });

  test('patterns', () => {
    expect(matchesAny(['a*c'], 'abc') && matchesAny(['*'], '') && matchesAny(['a*b*c'], 'aXbXbc')).toBe(true);
    expect(matchesAny(['a*a'], 'a') || matchesAny(['ab'], 'abc') || matchesAny([], 'a') || matchesAny(['a*b*c'], 'acb')).toBe(false);
  });

  test('whatever is commanded: a governed target changes only by a request, or back to who held it before', () => {
    const actor = fc.constantFrom('ann', 'bob', 'bea', 'anonymous');
    const version = fc.integer({ min: 1, max: 4 });
    const target = fc.constantFrom<Target>(CHAMPION, PRODUCTION, { kind: 'stage', name: 'Staging' });
    const request = fc.integer({ min: 1, max: 4 });
    const rules = [rule({ approvals: 1 })];
    const command: fc.Arbitrary<GovernedCommand> = fc.oneof(
      fc.record({
        type: fc.constant('RequestPromotion' as const),
        version,
        target,
        archiveOthers: fc.constant(null),
        reason: fc.constant(''),
        rules: fc.constant(rules),
      }),
      fc.record({ type: fc.constant('ApprovePromotion' as const), request, comment: fc.constant(''), rules: fc.constant(rules) }),
      fc.record({ type: fc.constant('RejectPromotion' as const), request, reason: fc.constant(''), rules: fc.constant(rules) }),
      fc.record({ type: fc.constant('WithdrawPromotion' as const), request, reason: fc.constant('') }),
      fc.record({ type: fc.constant('PromoteVersion' as const), request, rules: fc.constant(rules), isByPolicy: fc.boolean() }),
      fc.record({
        type: fc.constant('RollBack' as const),
        target: fc.constant(null),
        to: fc.constant(null),
        reason: fc.constant(''),
        rules: fc.constant(rules),
      }),
      fc.record({
        type: fc.constant('MoveVersion' as const),
        version,
        to: fc.constantFrom(...STAGES),
        archiveOthers: fc.constant(false),
        rules: fc.constant(rules),
      }),
      fc.record({
        type: fc.constant('AssignAlias' as const),
        version,
        alias: fc.constantFrom('champion', 'free'),
        rules: fc.constant(rules),
      }),
      fc.record({ type: fc.constant('DeleteVersion' as const), version, rules: fc.constant(rules) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(actor, command), { maxLength: 40 }), (commands) => {
        const story = new Story(rules);
        for (const [who, what] of commands) {
          const held = [...(story.state.governance.holders.get('alias:champion') ?? [])];
          const before = holderOf(story.state, CHAMPION);
          const decision = story.does(who, what);
          if (decision.kind !== 'accept' || holderOf(story.state, CHAMPION) === before) continue;
          if (decision.event.type !== 'AliasAssigned') {
            expect(decision.event.type).toBe('VersionDeleted');
            continue;
          }
          const { request: fulfilled, rollsBack, version: to } = decision.event.data;
          if (fulfilled === undefined) expect([rollsBack, held.includes(to)]).toEqual([before, true]);
          else expect(approvalsOf(story.state, fulfilled)).toBeGreaterThan(0);
        }
      }),
    );
  });
});

function approvalsOf(state: GovernedModel, request: number): number {
  const promotion = state.governance.promotions.get(request);
  expect(promotion?.approvals.has(promotion.requestedBy)).toBe(false);
  return promotion?.approvals.size ?? 0;
}
