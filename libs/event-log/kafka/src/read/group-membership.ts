import { Fault, isFault } from '@millrace/kernel';
import type { Brokers } from '../wire/brokers.js';
import { faultOf } from '../wire/faults.js';
import { assign, assignedOf, ASSIGNMENT_PROTOCOL, subscriptionOf } from './group-assignment.js';
import type { KafkaBroker, KafkaError } from '../wire/kafkajs-internals.js';
import { BackOff, Pause } from '../pause.js';

export interface GroupTiming {
  /** A member that is silent for this long has lost its partitions. */
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** How long the group waits for a member to let go of its partitions. */
  readonly rebalanceTimeoutMs: number;
}

export interface GroupMembershipOptions {
  readonly brokers: Brokers;
  /** Through which the member leaves: its own connections may be held by a join at that moment. */
  readonly farewell: Brokers;
  readonly group: string;
  readonly topic: string;
  readonly timing: GroupTiming;
  /** Partitions are this member's until `onRevoked` is called, which comes before any other assignment. */
  readonly onAssigned: (partitions: readonly number[]) => Promise<void>;
  /** Resolves when nothing of the assignment runs any more. */
  readonly onRevoked: () => Promise<void>;
  readonly onFault: (fault: Fault) => void;
}

interface Generation {
  readonly generationId: number;
  readonly partitions: readonly number[];
}

/** Why a generation ended: the group is shared out anew, or it does not know this member any more. */
type Ending = 'rebalance' | 'forgotten' | 'stopped';

/** Answers of a coordinator that has moved or is not ready: the membership stands, the coordinator has to be found again. */
const MOVED = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS']);
const FORGOTTEN = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID']);

/**
 * One member of a group: joins, keeps its seat by heartbeats of its own (a long handler does not cost it), lets go when the
 * group is shared out anew, joins again. Positions are none of the group's business and are never committed to it.
 */
export class GroupMembership {
  readonly #options: GroupMembershipOptions;
  readonly #pause = new Pause();
  #memberId = '';
  #isStopped = false;
  #running: Promise<void> | undefined;
  #firstAssignment: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(options: GroupMembershipOptions) {
    this.#options = options;
  }

  /** Resolves when the member has its first assignment; rejects when it will never get one. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#firstAssignment = { resolve, reject };
      this.#running = this.#run();
    });
  }

  /** Lets go of everything and leaves. The membership's own connections have to be closed by then, or a join is waited for. */
  async stop(): Promise<void> {
    const { farewell, group } = this.#options;
    this.#isStopped = true;
    this.#pause.end();
    await this.#running;
    if (this.#memberId === '') return;
    try {
      const coordinator = await farewell.coordinator(group);
      await farewell.calling(coordinator, `leaving ${group}`, () => coordinator.leaveGroup({ groupId: group, memberId: this.#memberId }));
    } catch (error) {
      // The group finds out by itself when the session has timed out.
      this.#options.onFault(faultOf(error, `leaving ${group}`));
    }
  }

  async #run(): Promise<void> {
    const { brokers, group, onFault } = this.#options;
    const backOff = new BackOff(50, 2000);
    while (!this.#isStopped) {
      try {
        const coordinator = await brokers.coordinator(group);
        const generation = await this.#join(coordinator);
        backOff.reset();
        if ((await this.#live(coordinator, generation)) === 'forgotten') this.#memberId = '';
      } catch (error) {
        if (this.#isStopped) break;
        if (FORGOTTEN.has(typeOf(error) ?? '')) this.#memberId = '';
        // Somebody else joined while this member was joining: once more, at once.
        if (typeOf(error) === 'REBALANCE_IN_PROGRESS') continue;
        const fault = faultOf(error, `joining ${group}`);
        if (!fault.retryable) this.#firstAssignment?.reject(fault);
        onFault(fault);
        await this.#pause.for(backOff.next());
      }
    }
    this.#firstAssignment?.reject(new Fault('MR_LOG_CLOSED', `the subscription of ${group} was stopped before it began`, false));
  }

  async #join(coordinator: KafkaBroker): Promise<Generation> {
    const { brokers, group, topic, timing } = this.#options;
    const joined = await brokers.calling(coordinator, `joining ${group}`, () =>
      coordinator.joinGroup({
        groupId: group,
        memberId: this.#memberId,
        sessionTimeout: timing.sessionTimeoutMs,
        rebalanceTimeout: timing.rebalanceTimeoutMs,
        groupProtocols: [{ name: ASSIGNMENT_PROTOCOL, metadata: subscriptionOf(topic) }],
      }),
    );
    const { generationId, memberId } = joined;
    this.#memberId = memberId;
    const groupAssignment = joined.leaderId === memberId ? await this.#assign(joined.members) : [];
    const { memberAssignment } = await brokers.calling(coordinator, `sharing out the partitions of ${topic}`, () =>
      coordinator.syncGroup({ groupId: group, generationId, memberId, groupAssignment }),
    );
    return { generationId, partitions: assignedOf(memberAssignment, topic) };
  }

  async #assign(members: Parameters<typeof assign>[0]) {
    // Members of one group may read different topics; all are asked for at once.
    const topics = await this.#options.brokers.metadata('all');
    return assign(members, (topic) => topics.get(topic)?.leaders.length ?? 0);
  }

  /** From the assignment of a generation to its end. */
  async #live(coordinator: KafkaBroker, generation: Generation): Promise<Ending> {
    const { onAssigned, onRevoked, timing, onFault, group } = this.#options;
    let ending: Ending | undefined;
    // Heartbeats go on while the partitions are let go, or a slow handler would cost the seat.
    const beating = { isOver: false };
    const ended = this.#beat(coordinator, generation, beating).then((why) => (ending = why));
    try {
      await onAssigned(generation.partitions);
      this.#firstAssignment?.resolve();
      this.#firstAssignment = undefined;
      await ended;
    } finally {
      const isReleased = onRevoked().then(() => true);
      const isLate = new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), timing.rebalanceTimeoutMs);
        void isReleased.finally(() => clearTimeout(timer));
      });
      if (!(await Promise.race([isReleased, isLate]))) {
        const message = `a handler has not let go of its partition after ${timing.rebalanceTimeoutMs} ms; ${group} goes on without waiting`;
        onFault(new Fault('MR_REBALANCE_LATE', message, true));
      }
      beating.isOver = true;
    }
    return ending ?? 'stopped';
  }

  /** Resolves with why the generation ended, and beats on until told that it is over. */
  #beat(first: KafkaBroker, generation: Generation, beating: { isOver: boolean }): Promise<Ending> {
    const { brokers, group, timing } = this.#options;
    return new Promise((resolve) => {
      const beat = async () => {
        let coordinator = first;
        let lastAnswer = performance.now();
        while (!beating.isOver && !this.#isStopped) {
          await this.#pause.for(timing.heartbeatIntervalMs);
          if (beating.isOver || this.#isStopped) break;
          try {
            const { generationId } = generation;
            await brokers.calling(coordinator, `heartbeat of ${group}`, () =>
              coordinator.heartbeat({ groupId: group, groupGenerationId: generationId, memberId: this.#memberId }),
            );
            lastAnswer = performance.now();
          } catch (error) {
            const type = typeOf(error) ?? '';
            if (type === 'REBALANCE_IN_PROGRESS') {
              lastAnswer = performance.now();
              resolve('rebalance');
            } else if (FORGOTTEN.has(type)) {
              resolve('forgotten');
              return;
            } else if (performance.now() - lastAnswer > timing.sessionTimeoutMs) {
              // Others may own the partitions by now. Two owners do no harm, but one of them works in vain.
              resolve('forgotten');
              return;
            } else if (MOVED.has(type) || (isFault(error) && error.retryable)) {
              coordinator = await brokers.coordinator(group).catch(() => coordinator);
            }
          }
        }
        resolve('stopped');
      };
      void beat();
    });
  }
}

/** The wire protocol's name of what a fault was caused by. */
function typeOf(error: unknown): string | undefined {
  return (isFault(error) ? (error.cause as KafkaError | undefined) : (error as KafkaError))?.type;
}
