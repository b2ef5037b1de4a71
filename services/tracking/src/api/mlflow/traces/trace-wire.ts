import { momentText } from '@millrace/service';
import { spansInOrder, type Trace } from '../../../domain/trace/trace.js';
import { spanJson } from './span-wire.js';

/** A trace's account as MLflow 3 has it. */
export function traceInfoJson(trace: Trace): object {
  return {
    trace_id: trace.traceId,
    ...(trace.clientRequestId === null ? {} : { client_request_id: trace.clientRequestId }),
    trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id: trace.experimentId } },
    ...(trace.requestPreview === null ? {} : { request_preview: trace.requestPreview }),
    ...(trace.responsePreview === null ? {} : { response_preview: trace.responsePreview }),
    request_time: momentText(trace.requestTime),
    ...(trace.executionMs === null ? {} : { execution_duration: `${(trace.executionMs / 1000).toFixed(3)}s` }),
    state: trace.state,
    trace_metadata: Object.fromEntries(trace.metadata),
    tags: Object.fromEntries(trace.tags),
    assessments: [...trace.assessments.values()].map((assessment) => JSON.parse(assessment) as object),
  };
}

/** The same with its spans, each in the JSON of OpenTelemetry's protocol buffers. */
export function traceJson(trace: Trace): object {
  return { trace_info: traceInfoJson(trace), spans: spansInOrder(trace).map(spanJson) };
}

/** A trace's account as MLflow 2 has it. */
export function traceInfoV2Json(trace: Trace): object {
  const pairs = (of: ReadonlyMap<string, string>) => Array.from(of, ([key, value]) => ({ key, value }));
  return {
    request_id: trace.traceId,
    experiment_id: trace.experimentId,
    timestamp_ms: trace.requestTime,
    ...(trace.executionMs === null ? {} : { execution_time_ms: trace.executionMs }),
    status: trace.state === 'STATE_UNSPECIFIED' ? 'TRACE_STATUS_UNSPECIFIED' : trace.state,
    request_metadata: pairs(trace.metadata),
    tags: pairs(trace.tags),
  };
}
