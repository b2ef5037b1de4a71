import type { LoggedSpan, SpansLogged, TraceState } from '../../domain/trace/trace-facts.js';
import { inMlflowsWords } from './conventions.js';
import { textOf, type ExportedSpan, type OtlpSpan } from './otlp-span.js';
import { tagsOfSpans } from './trace-tags.js';

/** What MLflow's tracing keeps of a span's arguments and result. */
const INPUTS = 'mlflow.spanInputs';
const OUTPUTS = 'mlflow.spanOutputs';
const PREVIEW_LENGTH = 1000;

const STATES: Readonly<Record<string, TraceState>> = { 1: 'OK', 2: 'ERROR', STATUS_CODE_OK: 'OK', STATUS_CODE_ERROR: 'ERROR' };

/** Spans by the trace they are of, whose id is made of OpenTelemetry's as MLflow makes it, with the tags they give it. */
export function tracesOfSpans(exported: readonly ExportedSpan[]): Map<string, Pick<SpansLogged, 'spans' | 'tags'>> {
  const traces = new Map<string, ExportedSpan[]>();
  for (const one of exported) {
    const traceId = `tr-${Buffer.from(one.span.traceId, 'base64').toString('hex')}`;
    const of = traces.get(traceId);
    if (of) of.push(one);
    else traces.set(traceId, [one]);
  }
  return new Map(
    Array.from(traces, ([traceId, of]) => {
      const tags = tagsOfSpans(of);
      const spans = of.map(({ span }) => loggedSpan(inMlflowsWords(span)));
      return [traceId, { spans, ...(Object.keys(tags).length === 0 ? {} : { tags }) }];
    }),
  );
}

function loggedSpan(span: OtlpSpan): LoggedSpan {
  const attribute = (key: string): string | null => {
    const value = textOf(span.attributes?.find((one) => one.key === key)?.value);
    return value === undefined ? null : value.slice(0, PREVIEW_LENGTH);
  };
  return {
    spanId: Buffer.from(span.spanId, 'base64').toString('hex'),
    parentSpanId: span.parentSpanId === undefined ? null : Buffer.from(span.parentSpanId, 'base64').toString('hex'),
    name: span.name,
    startNs: span.startTimeUnixNano,
    endNs: span.endTimeUnixNano,
    state: STATES[span.status?.code ?? 0] ?? 'STATE_UNSPECIFIED',
    requestPreview: attribute(INPUTS),
    responsePreview: attribute(OUTPUTS),
    span: JSON.stringify(span),
  };
}
