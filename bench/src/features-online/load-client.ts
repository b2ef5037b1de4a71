import { connect, type Socket } from 'node:net';
import { quantile } from '../bench-result.js';

export interface Load {
  /** Requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = /\r\ncontent-length: (\d+)/i;

/**
 * Connections that each send the next request when the one before is answered. On bare sockets, because an HTTP client takes longer for a request
 * than a fast server does, and would be what is measured.
 */
export async function load(url: string, path: string, bodies: readonly string[], connections: number, seconds: number): Promise<Load> {
  const { hostname, port, host } = new URL(url);
  const requests = bodies.map((body) => {
    const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return Buffer.from(head + body);
  });
  const took: number[] = [];
  const started = performance.now();
  const until = started + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, (_, index) => converse(connect(Number(port), hostname), requests, index, until, took)),
  );
  const elapsed = performance.now() - started;
  took.sort((a, b) => a - b);
  return { rate: (took.length * 1000) / elapsed, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}

function converse(socket: Socket, requests: readonly Buffer[], first: number, until: number, took: number[]): Promise<void> {
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    let next = first;
    let sentAt = 0;
    let received: Buffer = Buffer.alloc(0);
    const send = (): void => {
      if (performance.now() >= until) {
        socket.end();
        resolve();
        return;
      }
      sentAt = performance.now();
      socket.write(requests[next++ % requests.length] as Buffer);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const end = received.indexOf(HEAD_END);
      if (end < 0) return;
      const head = received.toString('latin1', 0, end);
      const length = Number(LENGTH.exec(head)?.[1] ?? Number.NaN);
      if (!head.startsWith('HTTP/1.1 200') || Number.isNaN(length)) {
        reject(new Error(received.toString('utf8', 0, 500)));
        socket.destroy();
        return;
      }
      if (received.length < end + HEAD_END.length + length) return;
      received = Buffer.alloc(0);
      took.push(performance.now() - sentAt);
      send();
    });
  });
}
