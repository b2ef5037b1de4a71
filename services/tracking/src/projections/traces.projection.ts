import { readEvent } from '@millrace/contracts';
import { decodeFact, parseEventType, type Decoded, type Item, type LogRecord } from '@millrace/event-log';
import { namedBySpans, tokensOfSpan } from '../domain/trace/span-account.js';
import { spanText } from '../domain/trace/span-text.js';
import { rootSummary, SOURCE_RUN, TRACE_NAME } from '../domain/trace/trace.js';
import type { TraceFact } from '../domain/trace/trace-facts.js';

export const TRACES_TABLE = 'millrace.trace_facts';

const TYPES: readonly string[] = ['TraceLogged', 'SpansLogged', 'TraceTagged', 'TraceAssessed', 'TraceLinked', 'TraceDeleted'];

/** Reads a fact of a trace; what is none goes to the dead letters with the reason. */
export function decodeTraceFact(record: LogRecord): Decoded<TraceFact> {
  const fact = decodeFact(record);
  if (fact.ok !== true) return fact;
  const type = parseEventType(fact.value.type);
  if (type?.domain !== 'tracking' || !TYPES.includes(type.name)) return { ok: false, reason: `${fact.value.type} is not told of traces` };
  const read = readEvent<TraceFact['data']>(type.domain, type.name, type.version, fact.value.data);
  return read.ok ? { ok: true, value: { type: type.name, data: read.value } as TraceFact } : read;
}

/** A fact as rows of `millrace.trace_facts`: the first holds all of it, the others what it can be found by. */
export function traceRows({ value: fact }: Item<TraceFact>): object[] {
  const { traceId: trace_id, experimentId: experiment_id } = fact.data;
  const base = { trace_id, experiment_id, type: fact.type, key: '', value: '', present: true, request_time: 0, execution_ms: null };
  const rows = found(fact).map((row) => ({ ...base, state: '', client_request_id: '', fact: '', ...row }));
  return [{ ...base, kind: 'fact', state: '', client_request_id: '', fact: JSON.stringify(fact.data) }, ...rows];
}

function pairs(kind: string, of: Readonly<Record<string, string>>): object[] {
  return Object.entries(of).map(([key, value]) => ({ kind, key, value }));
}

function found({ type, data }: TraceFact): object[] {
  switch (type) {
    case 'TraceLogged': {
      const { requestTime: request_time, executionMs: execution_ms, state, clientRequestId, metadata, tags } = data;
      const run = metadata[SOURCE_RUN];
      return [
        { kind: 'info', request_time, execution_ms, state, client_request_id: clientRequestId ?? '' },
        ...pairs('metadata', metadata),
        ...pairs('tag', tags),
        ...(run === undefined ? [] : [{ kind: 'run', key: run }]),
      ];
    }
    case 'SpansLogged': {
      const root = data.spans.find((span) => span.parentSpanId === null);
      const spans = [
        // Where a trace is read without its spans, their tags are read from here.
        { kind: 'spans', fact: data.tags ? JSON.stringify({ ...data, spans: [] }) : '' },
        ...pairs('tag', data.tags ?? {}),
        ...data.spans.map((span) => {
          const tokens = tokensOfSpan(span.span);
          const usage = tokens ? JSON.stringify(Object.fromEntries(tokens)) : '';
          return { kind: 'text', key: span.spanId, value: spanText(span), parent: span.parentSpanId ?? '', usage };
        }),
        ...Array.from(namedBySpans(data.spans), ([key, value]) => ({ kind: 'metadata', key, value })),
      ];
      if (!root) return spans;
      const { requestTime: request_time, executionMs: execution_ms, state } = rootSummary(root);
      return [...spans, { kind: 'root', value: data.tags?.[TRACE_NAME] ?? root.name, request_time, execution_ms, state }];
    }
    case 'TraceTagged':
      return [{ kind: 'tag', key: data.key, value: data.value ?? '', present: data.value !== null }];
    case 'TraceAssessed':
      return [];
    case 'TraceLinked':
      return [{ kind: 'run', key: data.runId }];
    case 'TraceDeleted':
      return [{ kind: 'deleted' }];
  }
}
