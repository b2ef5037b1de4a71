import type { Brokers } from '../wire/brokers.js';
import { faultOf } from '../wire/faults.js';
import { apiKeys, errorOfCode, requests } from '../wire/kafkajs-internals.js';
import { unparsed } from '../wire/brokers.js';
import type { ProducerIdentity } from '../wire/record-batch-writer.js';

interface InitProducerIdResponse {
  readonly errorCode: number;
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** Never used without transactions, but a field of the request. */
const TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * Who the brokers take this appender for. Sequences count within an identity; once it is unknown whether a sequence was taken, a
 * new identity starts the counting afresh.
 */
export class ProducerIdentities {
  readonly #brokers: Brokers;
  #current: ProducerIdentity | undefined;
  #asking: Promise<ProducerIdentity> | undefined;

  constructor(brokers: Brokers) {
    this.#brokers = brokers;
  }

  get current(): ProducerIdentity | undefined {
    return this.#current;
  }

  get(): Promise<ProducerIdentity> {
    if (this.#current) return Promise.resolve(this.#current);
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** The next batch gets a new identity. */
  renew(): void {
    this.#current = undefined;
  }

  async #ask(): Promise<ProducerIdentity> {
    const doing = 'asking for a producer id';
    const broker = await this.#brokers.any();
    const ask = broker.lookupRequest(apiKeys.InitProducerId, requests.InitProducerId);
    const request = ask({ transactionalId: null, transactionTimeout: TRANSACTION_TIMEOUT_MS });
    const response = await this.#brokers.send(broker, unparsed<InitProducerIdResponse>(request), doing);
    if (response.errorCode !== 0) throw faultOf(errorOfCode(response.errorCode), doing);
    this.#current = { producerId: BigInt(response.producerId), epoch: response.producerEpoch };
    return this.#current;
  }
}
