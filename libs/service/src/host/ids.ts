import type { Clock, Ids } from '@millrace/kernel';
import { createHash, randomFillSync } from 'node:crypto';

const DIGITS = Buffer.from('0123456789abcdef');
/** Where the digits of each byte stand. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** UUIDv7 (RFC 9562): ordered by time between processes, and within one process also inside a millisecond. */
export class SystemIds implements Ids {
  #lastTime = 0;
  #counter = 0;
  /** Drawn for many ids at once: asking for sixteen bytes costs as much as asking for all of them. */
  readonly #random = Buffer.allocUnsafeSlow(16 * 256);
  #used = this.#random.length;
  readonly #text = Buffer.alloc(36, '-');

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
    return this.#textOf(bytes);
  }

  derived(commandId: string, purpose: string): string {
    // JSON keeps the two parts apart: ('ab', 'c') and ('a', 'bc') must not meet.
    return createHash('sha256')
      .update(JSON.stringify([commandId, purpose]))
      .digest('hex')
      .slice(0, 32);
  }

  /** Digit by digit into one buffer: a third of what hexadecimal text and its parts take. */
  #textOf(bytes: Buffer): string {
    const text = this.#text;
    for (let index = 0; index < 16; index++) {
      const byte = bytes[index] as number;
      const at = PLACES[index] as number;
      text[at] = DIGITS[byte >> 4] as number;
      text[at + 1] = DIGITS[byte & 0x0f] as number;
    }
    return text.toString('latin1');
  }
}
