import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { isPrivateAddress, publicLookup } from './public-address.js';

export interface WebhookRequest {
  readonly url: string;
  readonly deliveryId: string;
  /** `model_version.created`. */
  readonly name: string;
  readonly occurredAt: number;
  /** JSON text. */
  readonly data: string;
  /** Not signed without one. */
  readonly secret: string | undefined;
  /** When it is sent: milliseconds since the epoch. */
  readonly now: number;
}

export interface WebhookAnswer {
  /** `null`: there was no answer. */
  readonly status: number | null;
  /** The beginning of what was answered, or what went wrong. */
  readonly text: string;
}

export interface WebhookRequestOptions {
  readonly timeoutMs: number;
  readonly allowPrivate: boolean;
}

const KEPT_BYTES = 4096;
/** An answer is its status; for the text that comes with it nobody waits longer. */
const LONGEST_BODY_MS = 1000;

/** The body: as MLflow's webhooks have it. */
export function webhookBody({ name, occurredAt, data }: Pick<WebhookRequest, 'name' | 'occurredAt' | 'data'>): string {
  const [entity, action] = name.split('.');
  const head = JSON.stringify({ entity, action, timestamp: new Date(occurredAt).toISOString() });
  return `${head.slice(0, -1)},"data":${data}}`;
}

/** `v1,` and the base64 of the HMAC-SHA256 of `<delivery id>.<seconds>.<body>`: what MLflow's receivers verify. */
export function webhookSignature(secret: string, deliveryId: string, seconds: string, body: string): string {
  return `v1,${createHmac('sha256', secret).update(`${deliveryId}.${seconds}.${body}`).digest('base64')}`;
}

/** Sends one delivery once. Never throws; redirects are not followed. */
export function sendWebhook(delivery: WebhookRequest, { timeoutMs, allowPrivate }: WebhookRequestOptions): Promise<WebhookAnswer> {
  const body = webhookBody(delivery);
  const seconds = String(Math.floor(delivery.now / 1000));
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'millrace-webhooks',
    'x-mlflow-delivery-id': delivery.deliveryId,
    'x-mlflow-timestamp': seconds,
    ...(delivery.secret === undefined
      ? {}
      : { 'x-mlflow-signature': webhookSignature(delivery.secret, delivery.deliveryId, seconds, body) }),
  };
  return new Promise((resolve) => {
    let url: URL;
    try {
      url = new URL(delivery.url);
    } catch {
      resolve({ status: null, text: 'the address is not a URL' });
      return;
    }
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (!allowPrivate && isIP(host) !== 0 && isPrivateAddress(host)) {
      resolve({ status: null, text: `${host} is a private address; MILLRACE_REGISTRY_WEBHOOK_PRIVATE=true allows them` });
      return;
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const options = {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      signal: AbortSignal.timeout(timeoutMs),
      ...(allowPrivate ? {} : { lookup: publicLookup }),
    };
    let answered: (() => void) | undefined;
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      let kept = 0;
      const patience = setTimeout(() => response.destroy(), LONGEST_BODY_MS);
      answered = () => {
        clearTimeout(patience);
        resolve({ status: response.statusCode ?? null, text: Buffer.concat(chunks).toString('utf8').slice(0, KEPT_BYTES) });
      };
      response.on('data', (chunk: Buffer) => {
        if (kept < KEPT_BYTES) chunks.push(chunk);
        kept += chunk.length;
        // A receiver that goes on talking has said enough.
        if (kept > KEPT_BYTES * 16) response.destroy();
      });
      response.on('end', answered);
      response.on('close', answered);
      response.on('error', answered);
    });
    request.on('error', (error) => (answered ? answered() : resolve({ status: null, text: messageOf(error, timeoutMs) })));
    request.end(body);
  });
}

function messageOf(error: Error, timeoutMs: number): string {
  return error.name === 'TimeoutError' || error.name === 'AbortError' ? `no answer within ${timeoutMs} ms` : error.message;
}
