import type { FastifyInstance } from 'fastify';
import type { Health } from '../host/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import { jsonOf } from './answer-schema.js';
import { LIVE_ANSWER, READY_ANSWER } from './common-answers.js';
import { commonDoc } from './route-doc.js';

/** `/healthz`, `/readyz`, `/metrics`: for the orchestrator and Prometheus. */
export function addHealthRoutes(server: FastifyInstance, health: Health, metrics: Metrics): void {
  server.get(
    '/healthz',
    commonDoc('Whether the process is alive.', { answer: jsonOf(LIVE_ANSWER), otherwise: { 503: 'It is not.' } }),
    (_request, reply) => {
      const { live, fatal } = health.liveness();
      return reply.code(live ? 200 : 503).send({ status: live ? 'ok' : 'dead', fatal });
    },
  );
  server.get(
    '/readyz',
    commonDoc('Whether everything is up, what is missing, and what does not work while the rest does.', {
      answer: jsonOf(READY_ANSWER),
      otherwise: { 503: 'Something is missing.' },
    }),
    async (_request, reply) => {
      const { ready, checks, warnings } = await health.readiness();
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : 'not ready', missing: checks.filter((check) => !check.ok), warnings, checks });
    },
  );
  server.get('/metrics', commonDoc('Metrics for Prometheus.', { answer: { 'text/plain': 'text' } }), async (_request, reply) => {
    const text = await metrics.scrape();
    return reply.header('content-type', metrics.registry.contentType).send(text);
  });
}
