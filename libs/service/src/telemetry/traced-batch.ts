import type { BatchResult, ItemBatch } from '@millrace/event-log';
import { traceparentOf } from '@millrace/event-log';
import { SpanKind, SpanStatusCode, type Span } from '@opentelemetry/api';
import { isSampled, type Telemetry } from './telemetry.js';

/** Traces of one batch that get a span each; a batch of thousands of traced records names the first ones. */
const MOST_TRACES = 32;

/**
 * Puts a batch under the traces its records belong to: each recorded trace gets a span as long as the batch, child of the span
 * that appended the record. A batch of one trace is handled inside that span, so what it does next belongs to the trace too.
 */
export function traced<T>(
  telemetry: Telemetry,
  consumer: string,
  handle: (batch: ItemBatch<T>) => Promise<BatchResult>,
): (batch: ItemBatch<T>) => Promise<BatchResult> {
  if (!telemetry.enabled) return handle;
  return async (batch) => {
    const traceparents = distinct(batch);
    const started = traceparents.map((traceparent) => {
      const attributes = {
        'messaging.system': 'millrace',
        'messaging.operation.type': 'process',
        'messaging.destination.name': batch.topic,
        'messaging.destination.partition.id': String(batch.partition),
        'messaging.consumer.group.name': consumer,
        'messaging.batch.message_count': batch.items.length,
      };
      return telemetry.start(`process ${consumer}`, { kind: SpanKind.CONSUMER, traceparent, attributes });
    });
    const [first] = started;
    try {
      const result = await (first && started.length === 1 ? telemetry.with(first.context, () => handle(batch)) : handle(batch));
      if (result.kind !== 'ok') for (const one of started) refuse(one?.span, `${result.kind}: ${result.reason}`);
      return result;
    } catch (error) {
      for (const one of started) refuse(one?.span, error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      for (const one of started) one?.span.end();
    }
  };
}

function refuse(span: Span | undefined, message: string): void {
  span?.setStatus({ code: SpanStatusCode.ERROR, message });
}

function distinct<T>(batch: ItemBatch<T>): string[] {
  const found = new Map<string, string>();
  for (const { record } of batch.items) {
    const traceparent = traceparentOf(record.headers);
    if (traceparent === undefined || !isSampled(traceparent)) continue;
    const traceId = traceparent.slice(3, 35);
    if (!found.has(traceId)) found.set(traceId, traceparent);
    if (found.size === MOST_TRACES) break;
  }
  return [...found.values()];
}
