import { bucketOf } from '@millrace/assignment';
import type { EventLog } from '@millrace/event-log';
import { Fault, type Clock, type CommandMetadata, type Position, type Scheduler } from '@millrace/kernel';
import type { Resource, ResourceCatalog } from '@millrace/resources';
import type { DomainLog } from '@millrace/service';
import { thompsonShares } from '@millrace/statistics';
import {
  isActive,
  referenceOfArm,
  ROLLOUT,
  rollout,
  rolloutSubject,
  type RolloutCommand,
  type RolloutRejection,
  type RolloutState,
} from '../domain/rollout/rollout.decider.js';
import type { Evidence, RolloutEvent, RolloutPlan } from '../domain/rollout/rollout.events.js';
import type { ArmsNow, FoundArms } from './arms-now.js';
import { judgeGates } from './judge-gates.js';
import { RolloutFollower, topicsOf } from './rollout-follower.js';
import { planOf } from './rollout-plan.js';
import { rewardsIn, rewardsMissing } from './rewards.js';
import { evidenceOf, viewOf, type RolloutView } from './rollout-view.js';
import type { RolloutsInForce } from './rollouts-in-force.js';

export interface RolloutsOptions {
  readonly domain: DomainLog;
  readonly resources: { readonly catalog: ResourceCatalog; readonly log: Pick<DomainLog, 'barrier'> };
  readonly log: EventLog;
  readonly inForce: RolloutsInForce;
  readonly arms: ArmsNow;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Called when other models may have to answer than before. */
  readonly changed: () => void;
  readonly observer: { decided(name: string, event: string): void; failed(name: string, error: unknown): void };
}

export type PersonCommand = 'PromoteRollout' | 'PauseRollout' | 'ResumeRollout' | 'AbortRollout';

/** What a rollout is about, as its resource or its plan says. */
type Aims = Pick<RolloutPlan, 'deployment' | 'candidate'>;

const LOOK_EVERY_MS = 500;
/** A candidate that fails is found by then; judging after every answer would cost the gateway more than it tells. */
const JUDGE_EVERY_MS = 100;
const ACTOR = 'inference';

/**
 * Runs the rollouts: begins those that were applied, folds what their candidates do, and proposes decisions. Every replica does the same, and the
 * log takes the first: commands of one moment have one id, and a decision on an older state is void.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #followers = new Map<string, RolloutFollower>();
  readonly #judging = new Set<string>();
  /** Judgements that are due in a moment, with how to call them off. */
  readonly #due = new Map<string, () => void>();
  readonly #work = new Set<Promise<void>>();
  readonly #names = new Set<string>();
  #cancel: (() => void) | undefined;
  #isTakenUp = false;
  #isStopped = false;

  constructor(options: RolloutsOptions) {
    this.#options = options;
    options.domain.onAccepted((record) => {
      if (!record.subject.startsWith(`${ROLLOUT}/`)) return;
      const name = record.subject.slice(ROLLOUT.length + 1);
      options.observer.decided(name, record.type);
      this.#take(name);
    });
  }

  /** Takes up what was decided before, then looks after the resources; tries again until it can. */
  start(): void {
    this.#next(0);
  }

  /** What keeps the gateway from answering as was decided. */
  missing(): string | undefined {
    return this.#isTakenUp ? undefined : 'reading the rollouts';
  }

  async #takeUp(): Promise<void> {
    const { domain, resources } = this.#options;
    await domain.barrier();
    for await (const [subject] of domain.replica.subjects(`${ROLLOUT}/`)) this.#take(subject.slice(ROLLOUT.length + 1));
    await resources.log.barrier();
    this.#isTakenUp = true;
    resources.catalog.onChange('Rollout', () => this.#soon());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    for (const cancel of this.#due.values()) cancel();
    await Promise.all([...this.#work]);
    await Promise.all([...this.#followers.values()].map((follower) => follower.stop()));
  }

  list(): RolloutView[] {
    const names = new Set([...this.#names, ...this.#options.resources.catalog.list('Rollout').map(({ name }) => name)]);
    return [...names].sort().flatMap((name) => this.get(name) ?? []);
  }

  get(name: string): RolloutView | undefined {
    const state = this.#stateOf(name);
    const resource = this.#options.resources.catalog.get('Rollout', name);
    if (state.run === 0 && !resource) return undefined;
    const follower = this.#followerOf(name, state);
    const obstacles = follower ? this.#obstacles(name, state, follower) : [];
    const obstacle = resource && this.#obstacle(resource);
    return viewOf({ name, state, resource, follower, obstacle, obstacles, now: this.#options.clock.now() }, this.#options);
  }

  /** What a person decides. Rejections are thrown as faults of the rejection's code. */
  async act(name: string, type: PersonCommand, reason: string, metadata: CommandMetadata): Promise<Position> {
    const problem = type === 'PromoteRollout' ? await this.#options.arms.problemAfterLoading(name, this.#stateOf(name)) : undefined;
    const common = { reason, waitsFor: this.#notBegun(name) };
    if (type === 'PauseRollout' || type === 'ResumeRollout') return this.#handle(name, { type, ...common }, metadata);
    const state = this.#stateOf(name);
    const decided = { ...common, evidence: evidenceOf({ state, follower: this.#followerOf(name, state) }) };
    const command = type === 'AbortRollout' ? { type, ...decided } : { type, ...decided, problem: problem ?? null };
    return this.#handle(name, command, metadata);
  }

  /** What keeps what was applied last from its run; null where it has begun, or nothing was applied. */
  #notBegun(name: string): string | null {
    const resource = this.#options.resources.catalog.get('Rollout', name);
    const { status, version } = this.#stateOf(name);
    if (!resource || (resource.version <= version && status !== 'withdrawn')) return null;
    return this.#obstacle(resource) ?? 'this process to begin it';
  }

  /** Of the run that is under way. */
  #followerOf(name: string, state: RolloutState): RolloutFollower | undefined {
    const follower = this.#followers.get(name);
    return follower?.run === state.run && isActive(state) ? follower : undefined;
  }

  #stateOf(name: string): RolloutState {
    return this.#options.domain.replica.subject(rolloutSubject(name)).state as RolloutState;
  }

  /** A decision holds from here on: the next request is answered by it. */
  #take(name: string): void {
    const state = this.#stateOf(name);
    this.#names.add(name);
    this.#options.inForce.set(name, state);
    this.#options.changed();
    this.#keepFollower(name, state);
  }

  /** Facts are folded as long as a run is under way, from where it and its step began. */
  #keepFollower(name: string, state: RolloutState): void {
    const follower = this.#followers.get(name);
    if (follower && (follower.run !== state.run || !isActive(state))) {
      this.#followers.delete(name);
      this.#track(name, () => follower.stop());
    } else follower?.begin(state.stepPositions);
    if (isActive(state) && !this.#followers.has(name) && !this.#isStopped) this.#follow(name, state);
  }

  #follow(name: string, state: RolloutState): void {
    const { log } = this.#options;
    const failed = (error: unknown): void => this.#options.observer.failed(name, error);
    const follower = new RolloutFollower({ log, name, state, changed: () => this.#changed(name), failed });
    this.#followers.set(name, follower);
    this.#track(name, async () => {
      try {
        await follower.start();
      } catch (error) {
        // The next look makes another.
        if (this.#followers.get(name) === follower) this.#followers.delete(name);
        await follower.stop();
        throw error;
      }
    });
  }

  #soon(): void {
    this.#cancel?.();
    this.#next(0);
  }

  #next(afterMs: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#options.scheduler.after(afterMs, () => {
      this.#track('', async () => {
        await this.#look().catch((error: unknown) => this.#options.observer.failed('', error));
        this.#cancel?.();
        this.#next(LOOK_EVERY_MS);
      });
    });
  }

  async #look(): Promise<void> {
    const { resources } = this.#options;
    if (!this.#isTakenUp) await this.#takeUp();
    for (const resource of resources.catalog.list('Rollout')) {
      const { name, version } = resource;
      const state = this.#stateOf(name);
      if (version < state.version || (version === state.version && state.status !== 'withdrawn') || this.#obstacle(resource)) continue;
      await this.#attempt(name, () => this.#begin(resource, state));
    }
    for (const name of this.#names) {
      const state = this.#stateOf(name);
      if (isActive(state)) {
        this.#keepFollower(name, state);
        if (state.status === 'running' && this.#options.arms.areOthers(name, state)) await this.#attempt(name, () => this.#restart(name));
        this.#judge(name);
      }
      if (state.run === 0) {
        // The log was emptied.
        this.#take(name);
        this.#names.delete(name);
        continue;
      }
      if (state.status === 'withdrawn' || resources.catalog.get('Rollout', name)) continue;
      // It may have been applied again through another replica a moment ago.
      await resources.log.barrier();
      if (resources.catalog.get('Rollout', name)) continue;
      const command: RolloutCommand = { type: 'WithdrawRollout', run: state.run };
      await this.#attempt(name, () => this.#handle(name, command, this.#metadata(`${name}:withdraw:${state.run}`)));
    }
  }

  #obstacle({ name, spec }: { readonly name: string; readonly spec: Aims }): string | undefined {
    const { resources, inForce } = this.#options;
    const deployment = resources.catalog.get('Deployment', spec.deployment);
    if (!deployment) return `Deployment ${spec.deployment}, which does not exist`;
    if (deployment.spec.experiment !== undefined)
      return `Experiment ${deployment.spec.experiment}, which assigns the units of Deployment ${spec.deployment}`;
    const other = inForce.activeOn(spec.deployment);
    if (other !== undefined && other !== name) return `Rollout ${other}, which is under way on Deployment ${spec.deployment}`;
    const found = this.#options.arms.of(name, spec);
    return found.ok ? undefined : found.reason;
  }

  /** What keeps a run from more traffic, whatever its gates say. Its gates may fail all the same. */
  #obstacles(name: string, state: RolloutState, { whole, step }: RolloutFollower): string[] {
    const { arms } = this.#options;
    const plan = state.plan as RolloutPlan;
    if (arms.areOthers(name, state)) return ['its models, which are other versions by now: it begins anew as soon as it is not paused'];
    const problem = this.#obstacle({ name, spec: plan }) ?? arms.problem(name, state);
    if (problem !== undefined) return [problem];
    if (step.answered.candidate > 0) return [];
    if (plan.mirror === 0 && whole.requests.primary + whole.requests.candidate === 0 && whole.unassigned > 0)
      return [`requests that name a unit; ${whole.unassigned} came without, and are answered by the primary`];
    return ['a request that the candidate answers'];
  }

  async #begin({ name, version, spec }: Resource<'Rollout'>, { run }: RolloutState): Promise<void> {
    const plan = planOf(name, spec);
    const found = await this.#settledArms(name, plan);
    if (!found.ok) return;
    const positions = await this.#endsOf(plan);
    const command: RolloutCommand = { type: 'StartRollout', version, plan, positions, arms: found.arms };
    await this.#handle(name, command, this.#metadata(`${name}:start:${version}:${run}`));
  }

  /** The references of a run mean other versions: what it has shown is not about them. */
  async #restart(name: string): Promise<void> {
    const { plan, run } = this.#stateOf(name);
    const found = plan ? await this.#settledArms(name, plan) : undefined;
    if (!plan || !found?.ok) return;
    const command: RolloutCommand = { type: 'RestartRollout', run, positions: await this.#endsOf(plan), arms: found.arms };
    const { primary, candidate } = found.arms;
    await this.#handle(name, command, this.#metadata(`${name}:restart:${run}:${referenceOfArm(primary)}:${referenceOfArm(candidate)}`));
  }

  /** A replica that has not read so far must not begin anew with what was before. */
  async #settledArms(name: string, plan: RolloutPlan): Promise<FoundArms> {
    await this.#options.arms.barrier();
    return this.#options.arms.of(name, plan);
  }

  async #endsOf(plan: RolloutPlan): Promise<Record<string, number>> {
    const positions: Record<string, number> = {};
    for (const topic of topicsOf(plan)) {
      for (const [partition, end] of (await this.#options.log.end(topic)).entries()) positions[`${topic}/${partition}`] = end;
    }
    return positions;
  }

  /** Something was folded: it is judged together with what comes in the next moment. */
  #changed(name: string): void {
    if (this.#due.has(name) || this.#isStopped) return;
    this.#due.set(
      name,
      this.#options.scheduler.after(JUDGE_EVERY_MS, () => {
        this.#due.delete(name);
        this.#judge(name);
      }),
    );
  }

  /** Proposes what follows from what is folded; nothing where nothing does. One proposal of a rollout at a time. */
  #judge(name: string): void {
    if (this.#judging.has(name) || this.#isStopped) return;
    this.#judging.add(name);
    this.#track(name, async () => {
      try {
        for (let command = this.#proposal(name); command && !this.#isStopped; command = this.#proposal(name)) {
          const { sequence } = this.#options.domain.replica.subject(rolloutSubject(name));
          await this.#handle(name, command, this.#metadata(`${name}:judge:${sequence}`));
        }
      } finally {
        this.#judging.delete(name);
      }
    });
  }

  #proposal(name: string): RolloutCommand | undefined {
    const state = this.#stateOf(name);
    const follower = this.#followers.get(name);
    if (!follower || follower.run !== state.run || !isActive(state) || !follower.isOf(state.stepPositions)) return undefined;
    const { run } = state;
    const plan = state.plan as RolloutPlan;
    const evidence = judgeGates(plan, follower.whole, follower.step);
    const context = { subject: rolloutSubject(name), commandId: '', time: this.#options.clock.now(), actor: ACTOR };
    // The next look begins anew; what is shown until then is about what is not asked any more.
    if (state.status === 'running' && this.#options.arms.areOthers(name, state)) return undefined;
    const obstacles = [...this.#obstacles(name, state, follower), ...rewardsMissing(state, follower.whole)];
    const judged: RolloutCommand = { type: 'JudgeRollout', run, evidence, obstacles };
    if (rollout.decide(judged, state, context).kind === 'accept') return judged;
    const reweigh = plan.reward ? this.#reweigh(name, state, plan.reward, follower, evidence) : undefined;
    return reweigh && rollout.decide(reweigh, state, context).kind === 'accept' ? reweigh : undefined;
  }

  #reweigh(
    name: string,
    { run, rewarded }: RolloutState,
    reward: NonNullable<RolloutPlan['reward']>,
    follower: RolloutFollower,
    evidence: Evidence,
  ): RolloutCommand | undefined {
    const rewards = rewardsIn(follower.whole, reward.label);
    const count = rewards.primary.n + rewards.candidate.n;
    if (count < rewarded + reward.every) return undefined;
    const seed = bucketOf(`${name}/${run}`, String(count));
    const [share = 0.5] = thompsonShares([rewards.candidate, rewards.primary], { seed, floor: reward.floor });
    return { type: 'ReweighRollout', run, share: Math.round(share * 1e6) / 1e6, seed, rewards, evidence };
  }

  #metadata(commandId: string): CommandMetadata {
    return { commandId: `rollout:${commandId}`, actor: ACTOR, now: this.#options.clock.now() };
  }

  async #handle(name: string, command: RolloutCommand, metadata: CommandMetadata): Promise<Position> {
    const outcome = await this.#options.domain.handle<RolloutEvent, RolloutRejection>(rolloutSubject(name), command, metadata);
    if (outcome.kind !== 'rejected') return outcome.position;
    throw new Fault(outcome.rejection.code, outcome.rejection.message, false);
  }

  async #attempt(name: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.observer.failed(name, error);
    }
  }

  #track(name: string, work: () => Promise<unknown>): void {
    const done: Promise<void> = this.#attempt(name, work).finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}
