import { describe, expect, test } from '@jest/globals';
import { awaited, rollout, type RolloutCommand, type RolloutState } from './rollout.decider.js';
import type { Arms, Evidence, GateJudgement, RolloutEvent, RolloutPlan } from './rollout.events.js';

const SUBJECT = 'rollout/delay-v2';
const PLAN: RolloutPlan = {
  ...{ deployment: 'delay', candidate: 'models:/delay/2', strategy: 'canary', unit: 'origin', salt: 'delay-v2', mirror: 0, reward: null },
  steps: [
    { share: 0.05, pauseMs: 0, samples: 0 },
    { share: 0.5, pauseMs: 1000, samples: 300 },
  ],
  gates: [{ metric: 'error_rate', label: null, bound: 0.01, tolerance: 0.01, guard: false }],
  ...{ alpha: 0.05, promotion: 'automatic' },
};
const ARMS: Arms = { primary: { model: 'delay', version: 1 }, candidate: { model: 'delay', version: 2 } };
const gate = (verdict: GateJudgement['verdict'], change: Partial<GateJudgement> = {}): GateJudgement => ({
  ...{ metric: 'error_rate', label: null, guard: false, verdict, estimate: 0.02, lower: 0.01, upper: 0.03, bound: 0.01 },
  ...{ samples: 400, more: verdict === 'undecided' ? 900 : 0, numbers: { n: 400 } },
  ...change,
});
const evidence = (gates: GateJudgement[], candidate = 400): Evidence => ({
  requests: { primary: 7600, candidate },
  gates,
  positions: { 't/0': 8000 },
});

/** Folds the commands that are accepted, each at its time; the last decision and the state after it. */
function play(...commands: readonly (readonly [number, RolloutCommand])[]) {
  let state: RolloutState = rollout.initial();
  const events: RolloutEvent[] = [];
  let last: ReturnType<typeof rollout.decide> | undefined;
  for (const [index, [time, command]] of commands.entries()) {
    last = rollout.decide(command, state, { subject: SUBJECT, commandId: `c${index}`, time, actor: 'ann' });
    if (last.kind !== 'accept') continue;
    events.push(last.event);
    state = rollout.evolve(state, last.event, { subject: SUBJECT, sequence: events.length, time, actor: 'ann' });
  }
  return { state, events, last: last! };
}
const start = (plan: Partial<RolloutPlan> = {}, version = 1): readonly [number, RolloutCommand] => [
  0,
  { type: 'StartRollout', version, plan: { ...PLAN, ...plan }, positions: { 't/0': 5 }, arms: ARMS },
];
const judged = (time: number, gates: GateJudgement[], candidate?: number, obstacles: string[] = []): readonly [number, RolloutCommand] => [
  time,
  { type: 'JudgeRollout', run: 1, evidence: evidence(gates, candidate), obstacles },
];
const person = (
  type: 'PromoteRollout' | 'PauseRollout' | 'ResumeRollout' | 'AbortRollout',
  problem: string | null = null,
  waitsFor: string | null = null,
): readonly [number, RolloutCommand] => [
  9000,
  type === 'PromoteRollout'
    ? { type, reason: 'said so', problem, waitsFor, evidence: evidence([gate('undecided')]) }
    : type === 'AbortRollout'
      ? { type, reason: 'said so', waitsFor, evidence: null }
      : { type, reason: 'said so', waitsFor },
];
const types = (events: readonly RolloutEvent[]): string[] => events.map(({ type }) => type);

describe('a canary', () => {
  test('begins at its first step; the same version never begins twice, a newer one begins anew', () => {
    const { state, events } = play(start(), start(), start({}, 2), start({}, 1));
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutStarted']);
    expect(state).toMatchObject({ status: 'running', run: 2, version: 2, step: 0, share: 0.05, positions: { 't/0': 5 }, evidence: null });
  });

  test('advances when its gates have passed, keeps the pause and the samples of a step, and is promoted at the end', () => {
    const { events, state } = play(
      start(),
      judged(1, [gate('passed')]),
      judged(500, [gate('passed')], 900),
      judged(2000, [gate('passed')], 200),
      judged(2000, [gate('passed')], 300),
    );
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutAdvanced', 'RolloutHeld', 'RolloutAdvanced']);
    expect(events[1]?.data).toMatchObject({ step: 1, share: 0.5, isPromoted: false, by: 'gates', evidence: evidence([gate('passed')]) });
    expect(events[2]?.data).toMatchObject({ reason: 'waits for the pause of the step' });
    expect(state).toMatchObject({ status: 'promoted', share: 1, reason: 'passed: error_rate 0.02 (0.01 to 0.03) from 400 samples' });
    expect(state.stepPositions).toEqual({ 't/0': 8000 });
  });

  test('is rolled back by one gate that fails, also by a guard, also while it is paused', () => {
    for (const gates of [
      [gate('passed'), gate('failed')],
      [gate('passed'), gate('failed', { guard: true })],
    ]) {
      const { state, events } = play(start(), person('PauseRollout'), judged(9001, gates));
      expect(types(events)).toEqual(['RolloutStarted', 'RolloutPaused', 'RolloutRolledBack']);
      expect(state).toMatchObject({
        status: 'rolledBack',
        share: 0,
        reason: expect.stringMatching(/^worse beyond doubt: error_rate 0.02/),
      });
    }
  });

  test('holds and says how many more samples it takes, again only when they have doubled', () => {
    const { events, last } = play(
      start(),
      judged(1, [gate('undecided')]),
      judged(2, [gate('undecided')], 600),
      judged(3, [gate('undecided')], 9000),
    );
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutHeld', 'RolloutHeld']);
    expect(last).toMatchObject({ event: { data: { reason: 'waits for error_rate (about 900 more samples)', isConcluded: false } } });
    expect(
      play(start(), judged(1, [gate('undecided')], 0), [
        2,
        { type: 'JudgeRollout', run: 1, evidence: { ...evidence([]), requests: { primary: 0, candidate: 0 } }, obstacles: [] },
      ]).events.length,
    ).toBe(2);
  });

  test('waits for a person where a step asks for nothing; a guard alone lets nobody pass', () => {
    for (const gates of [[], [gate('undecided', { guard: true })]]) {
      expect(play(start(), judged(1, gates)).state).toMatchObject({ step: 0, reason: expect.stringMatching(/^waits for a person/) });
    }
  });

  test('goes nowhere while its candidate could not answer, whatever the gates and the pause say; it still fails', () => {
    const paused = { steps: [{ share: 0.1, pauseMs: 2, samples: 0 }], gates: [] };
    const obstacles = ['candidate models:/delay/2: no such file'];
    for (const [plan, gates] of [
      [{}, [gate('passed')]],
      [paused, []],
    ] as const) {
      const { events, state } = play(start(plan), judged(9, [...gates], 400, obstacles));
      expect(types(events)).toEqual(['RolloutStarted', 'RolloutHeld']);
      expect(state.reason).toBe('waits for candidate models:/delay/2: no such file');
      expect(types(play(start(plan), judged(9, [gate('failed')], 400, obstacles)).events).at(-1)).toBe('RolloutRolledBack');
    }
    expect(play(start(), person('PromoteRollout', 'no such file')).last).toMatchObject({
      rejection: { code: 'MR_INFERENCE_ROLLOUT_UNSERVABLE', message: expect.stringContaining('no such file') },
    });
  });

  test('says of no gate that it passed which has not', () => {
    const guard = gate('undecided', { guard: true, metric: 'latency_p99' });
    const plan = { steps: [{ share: 0.1, pauseMs: 1, samples: 0 }] };
    expect(play(start(plan), judged(9, [guard])).state).toMatchObject({ status: 'promoted', reason: 'the step is over' });
    expect(play(start(plan), judged(9, [guard, gate('passed')])).state.reason).toBe(
      'passed: error_rate 0.02 (0.01 to 0.03) from 400 samples',
    );
  });

  test('begins anew, with the reason, when its models are other versions; not while it is paused, nor when it does not know what it compared', () => {
    const other: Arms = { ...ARMS, candidate: { model: 'delay', version: 3 } };
    const restart = (arms: Arms, run = 1): readonly [number, RolloutCommand] => [
      20,
      { type: 'RestartRollout', run, arms, positions: { 't/0': 90 } },
    ];
    const { state, events } = play(start(), judged(1, [gate('passed')]), restart(ARMS), restart(other), restart(ARMS));
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutAdvanced', 'RolloutStarted']);
    expect(state).toMatchObject({
      ...{ status: 'running', run: 2, version: 1, step: 0, share: 0.05, arms: other, positions: { 't/0': 90 }, evidence: null },
      reason: 'begun anew: the candidate is models:/delay/3 now and was models:/delay/2',
    });
    expect(types(play(start(), person('PauseRollout'), restart(other)).events)).toEqual(['RolloutStarted', 'RolloutPaused']);
    const before = { ...play(start()).state, arms: undefined as never };
    expect(rollout.decide(restart(other)[1], before, { subject: SUBJECT, commandId: 'c', time: 1, actor: 'a' }).kind).toBe('unchanged');
  });

  test('a judgement of an earlier run, or of one that is over, decides nothing', () => {
    expect(play(start(), start({}, 2), judged(1, [gate('failed')])).last.kind).toBe('unchanged');
    expect(play(start(), person('AbortRollout'), judged(9001, [gate('passed')])).last.kind).toBe('unchanged');
  });
});

describe('the other strategies', () => {
  test.each(['shadow', 'ab'] as const)('%s: what has passed is concluded once, and waits for a person', (strategy) => {
    const plan = { strategy, promotion: 'manual', steps: [{ share: 0, pauseMs: 0, samples: 0 }] } as const;
    const { events, state } = play(start(plan), judged(1, [gate('passed')]), judged(2, [gate('passed')], 9000), person('PromoteRollout'));
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutHeld', 'RolloutAdvanced']);
    expect(events[1]?.data).toMatchObject({ isConcluded: true });
    expect(state).toMatchObject({ status: 'promoted', share: 1 });
  });

  test('blue-green goes to all traffic at once', () => {
    const { state } = play(start({ strategy: 'blue-green', steps: [{ share: 0, pauseMs: 0, samples: 0 }] }), judged(1, [gate('passed')]));
    expect(state).toMatchObject({ status: 'promoted', share: 1, step: 1 });
  });

  test('a bandit is split anew after so many rewards, and never promoted by itself', () => {
    const plan = {
      strategy: 'bandit',
      gates: [],
      reward: { label: 'paid', every: 10, floor: 0.05 },
      steps: [{ share: 0.5, pauseMs: 0, samples: 0 }],
    } as const;
    const reweigh = (n: number): readonly [number, RolloutCommand] => [
      n,
      {
        type: 'ReweighRollout',
        run: 1,
        share: n / 100,
        seed: 1,
        rewards: { primary: { n, sum: 0 }, candidate: { n: 0, sum: 0 } },
        evidence: evidence([]),
      },
    ];
    const before = play(start(plan), judged(5, [], 10, ['10 more rewards']));
    expect(before.state.reason).toBe('waits for 10 more rewards');
    const { events, state } = play(start(plan), reweigh(9), reweigh(10), reweigh(19), reweigh(20), judged(30, []));
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutReweighted', 'RolloutReweighted', 'RolloutHeld']);
    expect(state).toMatchObject({ status: 'running', share: 0.2, reason: 'waits for rewards' });
  });
});

describe('people', () => {
  test('pause, resume, promote and abort; what is promoted can be taken back', () => {
    const { events, state } = play(
      start(),
      person('PauseRollout'),
      person('PauseRollout'),
      person('ResumeRollout'),
      person('PromoteRollout'),
      person('AbortRollout'),
    );
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutPaused', 'RolloutResumed', 'RolloutAdvanced', 'RolloutRolledBack']);
    expect(state).toMatchObject({ status: 'rolledBack', share: 0, reason: 'said so' });
    // What the gates said when a person decided is on the log too.
    expect(events[3]?.data).toMatchObject({ by: 'person', evidence: evidence([gate('undecided')]) });
    expect(state.evidence).toEqual(evidence([gate('undecided')]));
  });

  test('are told when there is nothing to act on', () => {
    const notBegun = (...act: Parameters<typeof person>): unknown => play(person(...act)).last;
    expect(notBegun('PauseRollout')).toMatchObject({
      rejection: { code: 'MR_INFERENCE_ROLLOUT_NOT_FOUND', message: expect.stringMatching(/^there is no rollout .*; apply it first$/) },
    });
    expect(notBegun('PromoteRollout', null, 'Rollout other')).toMatchObject({
      rejection: {
        code: 'MR_INFERENCE_ROLLOUT_NOT_BEGUN',
        message: 'rollout delay-v2 has not begun; it waits for Rollout other. If it shall not begin, delete its resource',
      },
    });
    const { last } = play(start(), person('AbortRollout'), person('PromoteRollout'));
    expect(last).toMatchObject({
      rejection: { code: 'MR_INFERENCE_ROLLOUT_OVER', message: expect.stringMatching(/ is rolled back( \(.+\))?; change/) },
    });
    expect(play(start(), person('AbortRollout'), person('AbortRollout')).last.kind).toBe('unchanged');
    const refused = (...steps: (readonly [number, RolloutCommand])[]): unknown => {
      const { last: refusal } = play(start(), ...steps);
      return refusal.kind === 'reject' ? refusal.rejection.message : refusal.kind;
    };
    expect(refused(person('PromoteRollout'), person('PauseRollout'))).toBe(
      'rollout delay-v2 is promoted (said so); abort it to take its traffic back, or change its resource to run it again',
    );
    expect(refused([1, { type: 'WithdrawRollout', run: 1 }], person('PromoteRollout'))).toBe(
      'rollout delay-v2 is withdrawn (the resource was deleted); apply its resource to run it again',
    );
    expect(refused(person('AbortRollout'), person('PromoteRollout', null, 'Rollout other'))).toBe(
      'rollout delay-v2 is rolled back (said so); what was applied since has not begun; it waits for Rollout other',
    );
  });

  test('are told all that a run waits for as things stand now, whatever was decided last', () => {
    const waits = (state: RolloutState, gates: GateJudgement[], obstacles: string[] = [], time = 5): string[] =>
      awaited(state, evidence(gates, 299), obstacles, time);
    const second = play(start(), judged(1, [gate('passed')])).state;
    expect(waits(second, [gate('undecided')], ['a request'])).toEqual([
      ...['a request', '1 more request of the candidate', 'the pause of the step', 'error_rate (about 900 more samples)'],
    ]);
    const concluded = play(start({ strategy: 'ab', promotion: 'manual', steps: [{ share: 0.5, pauseMs: 0, samples: 0 }] }), [
      1,
      judged(1, [gate('passed')])[1],
    ]);
    expect(waits(concluded.state, [gate('passed')])).toEqual(['a person, to promote it']);
    expect(waits({ ...concluded.state, status: 'paused' }, [gate('passed')])).toEqual(['a person, who paused it']);
  });

  test('delete the resource: it is withdrawn, and may begin again', () => {
    const { state, events } = play(start(), [1, { type: 'WithdrawRollout', run: 1 }], start());
    expect(types(events)).toEqual(['RolloutStarted', 'RolloutWithdrawn', 'RolloutStarted']);
    expect(state).toMatchObject({ status: 'running', run: 2 });
  });
});
