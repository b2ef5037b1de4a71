import type { FastifyInstance } from 'fastify';
import type { Health } from '../host/health.js';
import type { Metrics } from '../telemetry/metrics.js';

/** `/healthz`, `/readyz`, `/metrics`: for the orchestrator and Prometheus. */
export function addHealthRoutes(server: FastifyInstance, health: Health, metrics: Metrics): void {
  server.get('/healthz', (_request, reply) => {
    const { live, fatal } = health.liveness();
    return reply.code(live ? 200 : 503).send({ status: live ? 'ok' : 'dead', fatal });
  });
  server.get('/readyz', async (_request, reply) => {
    const { ready, checks } = await health.readiness();
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? 'ready' : 'not ready', missing: checks.filter((check) => !check.ok), checks });
  });
  server.get('/metrics', async (_request, reply) => {
    const text = await metrics.scrape();
    return reply.header('content-type', metrics.registry.contentType).send(text);
  });
}
