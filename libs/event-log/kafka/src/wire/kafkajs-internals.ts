import { createRequire } from 'node:module';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

/**
 * The parts of kafkajs this adapter stands on: connections with TLS and SASL, and the wire protocol. Its consumer and producer are
 * not used: they cannot skip a batch they cannot read, hold up one partition for another, and hide which partition of a
 * request failed. kafkajs is pinned to one version, so its inner modules are as stable as its outer ones.
 */
const require = createRequire(import.meta.url);

export interface ProtocolRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly encode: () => Promise<unknown>;
  readonly expectResponse?: () => boolean;
}

/** One request of the wire protocol with the reader of its answer. */
export interface Protocol<T = unknown> {
  readonly request: ProtocolRequest;
  readonly response: {
    readonly decode: (raw: Buffer) => Promise<unknown>;
    readonly parse: (decoded: never) => Promise<T>;
  };
  readonly requestTimeout?: number;
  readonly logResponseError?: boolean;
}

interface ProtocolDefinitions {
  readonly versions: readonly string[];
}

interface KafkaConnection {
  readonly socket?: { destroy(): void };
  isConnected(): boolean;
  rejectRequests(error: Error): void;
  disconnect(): Promise<boolean>;
}

interface ConnectionPool {
  readonly host: string;
  readonly port: number;
  readonly pool: readonly KafkaConnection[];
  send<T>(protocol: Protocol<T>): Promise<T>;
}

export interface JoinedGroup {
  readonly generationId: number;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}

/** One broker of the cluster; connects when asked, and again after its connection was lost. */
export interface KafkaBroker {
  readonly nodeId: number | null;
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
  readonly connectionPool: ConnectionPool;
  isConnected(): boolean;
  connect(): Promise<void>;
  lookupRequest(apiKey: number, definitions: ProtocolDefinitions): (args: object) => Protocol;
  apiVersions(): Promise<unknown>;
  findGroupCoordinator(args: { groupId: string }): Promise<{ coordinator: { nodeId: number; host: string; port: number } }>;
  joinGroup(args: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: readonly { name: string; metadata: Buffer }[];
  }): Promise<JoinedGroup>;
  syncGroup(args: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(args: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(args: { groupId: string; memberId: string }): Promise<unknown>;
  listOffsets(args: {
    isolationLevel: number;
    topics: readonly { topic: string; partitions: readonly { partition: number; timestamp: number }[] }[];
  }): Promise<{ responses: readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[] }>;
  describeConfigs(args: {
    resources: readonly { type: number; name: string; configNames: readonly string[] }[];
  }): Promise<{ resources: readonly { configEntries: readonly { configName: string; configValue: string }[] }[] }>;
  createTopics(args: {
    topics: readonly {
      topic: string;
      numPartitions: number;
      replicationFactor: number;
      configEntries: readonly { name: string; value: string }[];
    }[];
    timeout: number;
  }): Promise<unknown>;
}

interface Logger {
  namespace(name: string): Logger;
}

type BrokerConstructor = new (options: {
  connectionPool: ConnectionPool;
  logger: Logger;
  nodeId: number | null;
  allowAutoTopicCreation: boolean;
  authenticationTimeout: number;
}) => KafkaBroker;

type ConnectionPoolConstructor = new (options: Record<string, unknown>) => ConnectionPool;

const Broker = require('kafkajs/src/broker') as BrokerConstructor;
const Pool = require('kafkajs/src/network/connectionPool') as ConnectionPoolConstructor;
const { createLogger } = require('kafkajs/src/loggers') as {
  createLogger: (options: { level: number; logCreator: () => () => void }) => Logger;
};
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as { createErrorFromCode: (code: number) => KafkaError };
const { requests } = require('kafkajs/src/protocol/requests') as {
  requests: Readonly<Record<'Metadata' | 'InitProducerId', ProtocolDefinitions>>;
};
export const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Readonly<
  Record<'Produce' | 'Fetch' | 'Metadata' | 'InitProducerId', number>
>;
const { MemberAssignment, MemberMetadata } = require('kafkajs/src/consumer/assignerProtocol') as {
  MemberMetadata: {
    encode(value: { version: number; topics: readonly string[] }): Buffer;
    decode(bytes: Buffer): { topics: readonly string[] };
  };
  MemberAssignment: {
    encode(value: { version: number; assignment: Readonly<Record<string, readonly number[]>> }): Buffer;
    decode(bytes: Buffer): { assignment: Readonly<Record<string, readonly number[]>> } | null;
  };
};
export { MemberAssignment, MemberMetadata, requests };

/** An error as kafkajs throws it: of the wire (`type`, `code`) or of a connection (`name`). */
export interface KafkaError extends Error {
  readonly type?: string;
  readonly code?: number | string;
  readonly retriable?: boolean;
}

/** The wire protocol's error for a code a broker answered with. */
export function errorOfCode(code: number): KafkaError {
  return createErrorFromCode(code);
}

interface RequestQueue {
  readonly pending: readonly unknown[];
}

// kafkajs sets a timer for a moment in the past after every answer, which Node 24 reports as a warning each time and which wakes
// the process for nothing. A check is due only when requests wait for the end of a throttling.
const { prototype: queue } = require('kafkajs/src/network/requestQueue') as {
  prototype: { scheduleCheckPendingRequests: (this: RequestQueue) => void };
};
const scheduleCheck = queue.scheduleCheckPendingRequests;
queue.scheduleCheckPendingRequests = function () {
  if (this.pending.length > 0) scheduleCheck.call(this);
};

export type Sasl =
  | { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
  | { readonly mechanism: 'oauthbearer'; readonly oauthBearerProvider: () => Promise<{ value: string }> };

export interface ConnectionOptionsOfKafka {
  readonly clientId: string;
  readonly sasl?: Sasl;
  readonly ssl?: boolean | ConnectionOptions;
  readonly connectionTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** After so long without any broker nobody waits for one any more. */
  readonly awayTimeoutMs: number;
}

// What kafkajs would log is thrown or reported by this adapter.
const SILENT = createLogger({ level: 0, logCreator: () => () => undefined });

/** A broker at an address, not connected yet. */
export function brokerAt(address: { host: string; port: number }, nodeId: number | null, options: ConnectionOptionsOfKafka): KafkaBroker {
  const connectionPool = new Pool({
    ...address,
    clientId: options.clientId,
    // A copy: kafkajs writes into it.
    sasl: options.sasl ? { ...options.sasl } : null,
    ssl: options.ssl === true ? {} : options.ssl || null,
    connectionTimeout: options.connectionTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    // Without it a request to a broker that hangs would wait for ever.
    enforceRequestTimeout: true,
    maxInFlightRequests: null,
    logger: SILENT,
    socketFactory: openSocket,
  });
  const authenticationTimeout = options.connectionTimeoutMs;
  return new Broker({ connectionPool, logger: SILENT, nodeId, allowAutoTopicCreation: false, authenticationTimeout });
}

/** Ends a broker's connections at once; what is in flight fails with `reason`. */
export async function dropConnections(broker: KafkaBroker, reason: Error): Promise<void> {
  await Promise.all(
    broker.connectionPool.pool.map(async (connection) => {
      connection.rejectRequests(reason);
      connection.socket?.destroy();
      await connection.disconnect();
    }),
  );
}

/** Like kafkajs's own, but requests leave at once instead of waiting for the acknowledgement of the one before (Nagle). */
function openSocket(options: { host: string; port: number; ssl: ConnectionOptions | null; onConnect: () => void }) {
  const { host, port, ssl, onConnect } = options;
  const servername = isIP(host) ? {} : { servername: host };
  const socket = ssl ? connectTls({ host, port, ...servername, ...ssl }, onConnect) : connectTcp({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 60_000);
  return socket;
}
