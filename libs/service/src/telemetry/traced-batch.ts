import { traceparentOf, type BatchResult, type ItemBatch, type LogRecord } from '@millrace/event-log';
import { SpanKind, SpanStatusCode, type Attributes, type Span } from '@opentelemetry/api';
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
    const records = batch.items.map((item) => item.record);
    const attributes = attributesOf(consumer, batch.topic, batch.partition, records.length);
    const started = traceparents(records).map((traceparent) =>
      telemetry.start(`process ${consumer}`, { kind: SpanKind.CONSUMER, traceparent, attributes }),
    );
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

/** The same for a batch that was handled by somebody who only reports it afterwards. */
export function traceBatch(
  telemetry: Telemetry,
  consumer: string,
  topic: string,
  partition: number,
  records: readonly LogRecord[],
  milliseconds: number,
): void {
  if (!telemetry.enabled) return;
  const attributes = attributesOf(consumer, topic, partition, records.length);
  const startTime = Date.now() - milliseconds;
  for (const traceparent of traceparents(records)) {
    telemetry.start(`process ${consumer}`, { kind: SpanKind.CONSUMER, traceparent, attributes, startTime })?.span.end();
  }
}

function attributesOf(consumer: string, topic: string, partition: number, count: number): Attributes {
  return {
    'messaging.system': 'millrace',
    'messaging.operation.type': 'process',
    'messaging.destination.name': topic,
    'messaging.destination.partition.id': String(partition),
    'messaging.consumer.group.name': consumer,
    'messaging.batch.message_count': count,
  };
}

function refuse(span: Span | undefined, message: string): void {
  span?.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** One traceparent per recorded trace. */
function traceparents(records: readonly LogRecord[]): string[] {
  const found = new Map<string, string>();
  for (const record of records) {
    const traceparent = traceparentOf(record.headers);
    if (traceparent === undefined || !isSampled(traceparent)) continue;
    const traceId = traceparent.slice(3, 35);
    if (!found.has(traceId)) found.set(traceId, traceparent);
    if (found.size === MOST_TRACES) break;
  }
  return [...found.values()];
}
