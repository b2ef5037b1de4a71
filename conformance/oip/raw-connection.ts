import { connect, type Socket } from 'node:net';

/** A connection whose bytes the test writes itself, so that it can send what no HTTP client would. */
export class RawConnection {
  readonly #socket: Socket;
  #received = '';
  readonly opened: Promise<void>;
  /** Resolves with all that came when the other side has closed; never rejects. */
  readonly closed: Promise<string>;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => (this.#received += text));
    // A reset is one way of closing.
    this.#socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve(this.#received)));
  }

  get received(): string {
    return this.#received;
  }

  write(data: string | Buffer): void {
    this.#socket.write(data);
  }

  /** Sends the end of what there is to send, and still listens. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Asks on this connection and waits for the answer's status; the connection stays open. */
  ask(head: string): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error(`closed before it was asked: ${this.#received}`));
      let text = '';
      const read = (part: string): void => {
        text += part;
        const end = text.indexOf('\r\n\r\n');
        const length = /content-length: (\d+)/i.exec(text)?.[1];
        if (end < 0 || length === undefined || text.length < end + 4 + Number(length)) return;
        this.#socket.off('data', read);
        this.#socket.off('close', ended);
        this.#received = '';
        resolve(Number(text.split(' ', 2)[1]));
      };
      this.#socket.on('data', read);
      const ended = (): void => reject(new Error(`closed instead of answered: ${text}`));
      this.#socket.once('close', ended);
      this.#socket.write(head);
    });
  }
}
