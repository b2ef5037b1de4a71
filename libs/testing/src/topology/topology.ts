import type { ServiceProcess } from './service-process.js';

/** A running platform, however it is spread over processes. */
export interface Topology {
  readonly kind: 'embedded' | 'distributed';
  /** Every HTTP protocol, by path. */
  readonly url: string;
  /** ClickHouse HTTP for analysts. */
  readonly clickhouseUrl: string;
  /** The processes that hold Millrace's own code: what chaos may kill. */
  readonly services: readonly ServiceProcess[];
  start(): Promise<void>;
  stop(): Promise<void>;
}
