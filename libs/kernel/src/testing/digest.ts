import { createHash } from 'node:crypto';
import { canonical } from '../canonical.js';
import type { DecisionReplica } from '../replica.js';

/**
 * SHA-256 over every subject's name, sequence and canonical state, in the order of the names: two replicas that have read
 * the same prefix of the log have the same digest. The replica must not be folding meanwhile.
 */
export async function digestOf(replica: DecisionReplica, prefix = ''): Promise<string> {
  const hash = createHash('sha256');
  for await (const [subject, { sequence, state }] of replica.subjects(prefix)) {
    hash.update(`${JSON.stringify(subject)} ${sequence} ${canonical(state)}\n`);
  }
  return hash.digest('hex');
}
