import { MemberAssignment, MemberMetadata, type JoinedGroup } from '../wire/kafkajs-internals.js';

/** The name under which members agree on how partitions are shared out; another way of sharing gets another name. */
export const ASSIGNMENT_PROTOCOL = 'millrace-even';

const VERSION = 1;

export function subscriptionOf(topic: string): Buffer {
  return MemberMetadata.encode({ version: VERSION, topics: [topic] });
}

/** What the leader of a group decides: each topic's partitions dealt out evenly among the members that want it, by member id. */
export function assign(
  members: JoinedGroup['members'],
  partitionsOf: (topic: string) => number,
): { memberId: string; memberAssignment: Buffer }[] {
  const wanting = new Map<string, string[]>();
  for (const { memberId, memberMetadata } of members) {
    for (const topic of MemberMetadata.decode(memberMetadata).topics) wanting.set(topic, [...(wanting.get(topic) ?? []), memberId]);
  }
  const shares = new Map<string, Record<string, number[]>>(members.map(({ memberId }) => [memberId, {}]));
  for (const [topic, unordered] of wanting) {
    const memberIds = unordered.sort();
    for (let partition = 0; partition < partitionsOf(topic); partition++) {
      const share = shares.get(memberIds[partition % memberIds.length] ?? '');
      if (share) (share[topic] ??= []).push(partition);
    }
  }
  return [...shares].map(([memberId, assignment]) => ({
    memberId,
    memberAssignment: MemberAssignment.encode({ version: VERSION, assignment }),
  }));
}

export function assignedOf(assignment: Buffer, topic: string): number[] {
  // A member that gets nothing may get no bytes at all.
  if (assignment.length === 0) return [];
  return [...(MemberAssignment.decode(assignment)?.assignment[topic] ?? [])].sort((a, b) => a - b);
}
