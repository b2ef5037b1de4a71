import { MlflowError, type FieldValues, type MlflowRoute } from '@millrace/mlflow-protocol';
import type { FastifyRequest } from 'fastify';
import type { Trace } from '../../../domain/trace/trace.js';
import { assessmentOf, assessmentText, changedAssessment } from './assessment-wire.js';
import type { TracesApi } from './context.js';
import { traceIdOf } from './trace-routes.js';

/** Assessments of traces: feedback and expectations, kept as the client says them. */
export function assessmentRoutes(api: TracesApi): MlflowRoute[] {
  const traceOf = async (request: FastifyRequest): Promise<Trace> => {
    const [trace] = await api.traces([traceIdOf(request)], false);
    if (!trace) throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Trace with ID '${traceIdOf(request)}' not found.`);
    return trace;
  };
  const existing = async (request: FastifyRequest): Promise<{ trace: Trace; id: string; assessment: FieldValues }> => {
    const trace = await traceOf(request);
    const id = assessmentIdOf(request);
    const text = trace.assessments.get(id);
    if (text === undefined)
      throw new MlflowError('RESOURCE_DOES_NOT_EXIST', `Assessment with ID '${id}' not found for trace '${trace.traceId}'.`);
    return { trace, id, assessment: JSON.parse(text) as FieldValues };
  };
  const record = async (
    { traceId, experimentId }: Trace,
    assessmentId: string,
    assessment: FieldValues | null,
    request: FastifyRequest,
  ) => {
    const text = assessment === null ? null : assessmentText(assessment);
    await api.append([{ type: 'TraceAssessed', data: { traceId, experimentId, assessmentId, assessment: text } }], request.traceparent);
  };
  return [
    {
      method: 'POST',
      path: 'traces/:traceId/assessments',
      api: '3.0',
      handle: async ({ fields, request }) => {
        const given = assessmentOf(fields);
        const metadata = api.metadata(request);
        const trace = await traceOf(request);
        const id = `a-${api.newId(metadata, 'assessment')}`;
        const now = new Date(metadata.now).toISOString();
        const made = {
          ...given,
          assessment_id: id,
          trace_id: trace.traceId,
          create_time: given['create_time'] ?? now,
          last_update_time: now,
        };
        await record(trace, id, { valid: true, ...made }, request);
        await overrule(trace, given['overrides'], request);
        return { assessment: { valid: true, ...made } };
      },
    },
    {
      method: 'GET',
      path: 'traces/:traceId/assessments/:assessmentId',
      api: '3.0',
      handle: async ({ request }) => ({ assessment: (await existing(request)).assessment }),
    },
    {
      method: 'PATCH',
      path: 'traces/:traceId/assessments/:assessmentId',
      api: '3.0',
      handle: async ({ fields, request }) => {
        const given = assessmentOf(fields, false);
        const { trace, id, assessment } = await existing(request);
        const changed = changedAssessment(assessment, given, new Date(api.metadata(request).now).toISOString());
        await record(trace, id, changed, request);
        return { assessment: changed };
      },
    },
    {
      method: 'DELETE',
      path: 'traces/:traceId/assessments/:assessmentId',
      api: '3.0',
      handle: async ({ request }) => {
        const [trace, id] = [await traceOf(request), assessmentIdOf(request)];
        const text = trace.assessments.get(id);
        // A client that repeats itself is told the same again, as MLflow tells it.
        if (text === undefined) return undefined;
        await record(trace, id, null, request);
        await reinstate(trace, id, (JSON.parse(text) as FieldValues)['overrides'], request);
        return undefined;
      },
    },
  ];

  /** What an assessment has overridden is valid again when that is gone, unless another one overrides it too. */
  async function reinstate({ assessments, ...trace }: Trace, id: string, overridden: unknown, request: FastifyRequest): Promise<void> {
    const text = typeof overridden === 'string' ? assessments.get(overridden) : undefined;
    if (text === undefined) return;
    const others = [...assessments].filter(([other]) => other !== id).map(([, other]) => JSON.parse(other) as FieldValues);
    if (others.some((other) => other['overrides'] === overridden)) return;
    await record({ assessments, ...trace }, overridden as string, { ...(JSON.parse(text) as object), valid: true }, request);
  }

  /** The one that is overridden stays, and is not valid any more. */
  async function overrule(trace: Trace, overridden: unknown, request: FastifyRequest): Promise<void> {
    const text = typeof overridden === 'string' ? trace.assessments.get(overridden) : undefined;
    if (text !== undefined) await record(trace, overridden as string, { ...(JSON.parse(text) as object), valid: false }, request);
  }
}

function assessmentIdOf(request: FastifyRequest): string {
  return (request.params as { assessmentId: string }).assessmentId;
}
