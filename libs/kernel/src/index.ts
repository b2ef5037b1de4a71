export { actorKey, isSameActor } from './actor.js';
export { canonical } from './canonical.js';
export type { Clock, Ids, Scheduler } from './clock.js';
export { CommandHandler, type CommandHandlerOptions, type CommandMetadata, type CommandOutcome } from './command-handler.js';
export {
  accept,
  reject,
  unchanged,
  type AnyDecider,
  type Command,
  type CommandContext,
  type Decider,
  type Decision,
  type Event,
  type EventContext,
} from './decider.js';
export { editDistance } from './edit-distance.js';
export { exactJsonText, hasLongIntegers, parseExactJson, parseShallowJson } from './exact-json.js';
export type { Journal } from './journal.js';
export { LinkedList, type Linked } from './linked-list.js';
export { MemoryStateStore } from './memory-state-store.js';
export { matchesAny } from './name-patterns.js';
export { formatPosition, hasPassed, parsePosition, type NextOffsets, type Position } from './position.js';
export { aggregateOf, type DecisionRecord, type LoggedDecision } from './record.js';
export { Fault, isFault, unlessFault, type Rejection } from './rejection.js';
export { DecisionReplica, type ReplicaCounts, type ReplicaOptions, type Verdict } from './replica.js';
export { shareOf } from './share-of.js';
export { replyKey, type CommandReply, type StateCommit, type StateStore, type SubjectState } from './state-store.js';
export { shellArgument } from './shell-argument.js';
export { usableMemory } from './usable-memory.js';
export { PositionWaiters } from './waiters.js';
export { ANY_TEXT, ONE_CHARACTER, wildcardPattern, type WildcardUnit } from './wildcard-pattern.js';
