import { apiKeys, type Protocol } from './kafkajs-internals.js';

/** Idempotent producers and zstd topics: every broker since Kafka 2.1. */
const PRODUCE_VERSION = 7;

export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

/** One request with at most one batch per partition; resolves with what the broker says of each, errors included. */
export function produceRequest(batches: readonly ProduceBatch[], acks: number, timeoutMs: number): Protocol<readonly ProducedPartition[]> {
  return {
    request: {
      apiKey: apiKeys.Produce,
      apiVersion: PRODUCE_VERSION,
      apiName: 'Produce',
      encode: () => {
        const buffer = encode(batches, acks, timeoutMs);
        // What kafkajs takes for an encoder: something with the bytes in `buf` and `buffer`.
        return Promise.resolve({ buf: buffer, buffer });
      },
    },
    response: {
      decode: (raw) => Promise.resolve(decode(raw)),
      parse: (decoded: { partitions: ProducedPartition[] }) => Promise.resolve(decoded.partitions),
    },
  };
}

function encode(batches: readonly ProduceBatch[], acks: number, timeoutMs: number): Buffer {
  const byTopic = new Map<string, ProduceBatch[]>();
  for (const batch of batches) {
    const ofTopic = byTopic.get(batch.topic);
    if (ofTopic) ofTopic.push(batch);
    else byTopic.set(batch.topic, [batch]);
  }
  const head = Buffer.allocUnsafe(12);
  head.writeInt16BE(-1, 0); // no transactional id
  head.writeInt16BE(acks, 2);
  head.writeInt32BE(timeoutMs, 4);
  head.writeInt32BE(byTopic.size, 8);
  const parts: Buffer[] = [head];
  for (const [topic, ofTopic] of byTopic) {
    const name = Buffer.from(topic);
    const topicHead = Buffer.allocUnsafe(2 + name.length + 4);
    topicHead.writeInt16BE(name.length, 0);
    name.copy(topicHead, 2);
    topicHead.writeInt32BE(ofTopic.length, 2 + name.length);
    parts.push(topicHead);
    for (const { partition, bytes } of ofTopic) {
      const partitionHead = Buffer.allocUnsafe(8);
      partitionHead.writeInt32BE(partition, 0);
      partitionHead.writeInt32BE(bytes.length, 4);
      parts.push(partitionHead, bytes);
    }
  }
  return Buffer.concat(parts);
}

function decode(raw: Buffer): { clientSideThrottleTime: number; partitions: ProducedPartition[] } {
  const partitions: ProducedPartition[] = [];
  let at = 4;
  for (let topics = raw.readInt32BE(0); topics > 0; topics--) {
    const length = raw.readInt16BE(at);
    const topic = raw.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    let count = raw.readInt32BE(at);
    at += 4;
    for (; count > 0; count--) {
      partitions.push({
        topic,
        partition: raw.readInt32BE(at),
        errorCode: raw.readInt16BE(at + 4),
        baseOffset: Number(raw.readBigInt64BE(at + 6)),
      });
      at += 30; // append time and the log's start follow
    }
  }
  return { clientSideThrottleTime: raw.readInt32BE(at), partitions };
}
