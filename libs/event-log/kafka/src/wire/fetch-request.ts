import { createRequire } from 'node:module';
import { Fault } from '@millrace/kernel';
import { apiKeys, type KafkaBroker, type Protocol, type ProtocolRequest } from './kafkajs-internals.js';

const require = createRequire(import.meta.url);
const encodeRequest = require('kafkajs/src/protocol/requests/fetch/v11/request') as (args: object) => ProtocolRequest;

/** Record format 2 with zstd, and leader epochs: every broker since Kafka 2.3. */
const FETCH_VERSION = 11;

/** Only what is committed, as producers with transactions mean it; for all others it makes no difference. */
export const READ_COMMITTED = 1;

export interface FetchPartition {
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  /** Offset up to which committed records can be read. */
  readonly end: number;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  readonly recordSet: Buffer;
}

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

/** A fetch whose record sets are left as bytes: one unreadable batch must not cost the rest of the answer. */
export function fetchRequest(
  topic: string,
  partitions: readonly FetchPartition[],
  options: FetchOptions,
): Protocol<readonly FetchedPartition[]> {
  const request = encodeRequest({
    replicaId: -1,
    isolationLevel: READ_COMMITTED,
    maxWaitTime: options.maxWaitMs,
    minBytes: 1,
    maxBytes: options.maxBytes,
    topics: [
      {
        topic,
        partitions: partitions.map(({ partition, offset, maxBytes }) => ({ partition, fetchOffset: offset, maxBytes })),
      },
    ],
  });
  return {
    request,
    response: {
      decode: (raw) => Promise.resolve(decode(raw)),
      parse: (decoded: { partitions: FetchedPartition[] }) => Promise.resolve(decoded.partitions),
    },
    requestTimeout: options.maxWaitMs + 5_000,
  };
}

export function assertFetchable(broker: KafkaBroker): void {
  const range = broker.versions?.[apiKeys.Fetch];
  if (range && range.minVersion <= FETCH_VERSION && range.maxVersion >= FETCH_VERSION) return;
  throw new Fault('MR_LOG_REFUSED', `the broker does not offer Fetch version ${FETCH_VERSION}: Kafka 2.3 or later is needed`, false);
}

function decode(raw: Buffer): { clientSideThrottleTime: number; partitions: FetchedPartition[] } {
  const clientSideThrottleTime = raw.readInt32BE(0);
  const partitions: FetchedPartition[] = [];
  // Throttle time 4, error code 2, session id 4; then the topics. One topic is asked for, so names need not be told apart.
  let at = 10;
  let topics = raw.readInt32BE(at);
  at += 4;
  for (; topics > 0; topics--) {
    at += 2 + raw.readInt16BE(at);
    let count = raw.readInt32BE(at);
    at += 4;
    for (; count > 0; count--) {
      const partition = raw.readInt32BE(at);
      const errorCode = raw.readInt16BE(at + 4);
      const end = Number(raw.readBigInt64BE(at + 14));
      let aborts = raw.readInt32BE(at + 30);
      at += 34;
      const aborted: { producerId: bigint; firstOffset: number }[] = [];
      for (; aborts > 0; aborts--) {
        aborted.push({ producerId: raw.readBigInt64BE(at), firstOffset: Number(raw.readBigInt64BE(at + 8)) });
        at += 16;
      }
      const length = Math.max(0, raw.readInt32BE(at + 4));
      at += 8;
      partitions.push({ partition, errorCode, end, aborted, recordSet: raw.subarray(at, at + length) });
      at += length;
    }
  }
  return { clientSideThrottleTime, partitions };
}
