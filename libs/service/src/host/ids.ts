import type { Clock, Ids } from '@millrace/kernel';
import { createHash, randomFillSync } from 'node:crypto';

/** UUIDv7 (RFC 9562): ordered by time between processes, and within one process also inside a millisecond. */
export class SystemIds implements Ids {
  #lastTime = 0;
  #counter = 0;
  /** Drawn for many ids at once: asking for sixteen bytes costs as much as asking for all of them. */
  readonly #random = Buffer.allocUnsafeSlow(16 * 256);
  #used = this.#random.length;

  constructor(private readonly clock: Clock) {}

  next(): string {
    if (this.#used === this.#random.length) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    const bytes = this.#random.subarray(this.#used, (this.#used += 16));
    const now = this.clock.now();
    if (now > this.#lastTime) {
      this.#lastTime = now;
      // 11 random bits, so that the 12-bit counter has room to grow within the millisecond.
      this.#counter = bytes.readUInt16BE(6) & 0x07ff;
    } else if (++this.#counter > 0x0fff) {
      // The counter is full, or the clock went back: the time part goes ahead instead, so order is kept.
      this.#lastTime++;
      this.#counter = 0;
    }
    bytes.writeUIntBE(this.#lastTime, 0, 6);
    bytes.writeUInt16BE(0x7000 | this.#counter, 6);
    bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  derived(commandId: string, purpose: string): string {
    // JSON keeps the two parts apart: ('ab', 'c') and ('a', 'bc') must not meet.
    return createHash('sha256')
      .update(JSON.stringify([commandId, purpose]))
      .digest('hex')
      .slice(0, 32);
  }
}
