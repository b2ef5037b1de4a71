import { Counter, Gauge, type Registry } from 'prom-client';
import type { ServedModel } from './models/served-model.js';

/**
 * What autoscalers go by: how busy the process is and what waits, read when somebody asks. Labels are of loaded versions only, so there are
 * as many series as there are models in memory.
 */
export function watchLoad(registry: Registry, loaded: () => readonly ServedModel[], workersBusyMs: () => number): void {
  const registers = [registry];
  const labelNames = ['model', 'version'] as const;
  const gauge = (name: string, help: string, of: (model: ServedModel) => number): void => {
    new Gauge({
      ...{ name, help, labelNames, registers },
      collect() {
        this.reset();
        // One version may be loaded twice for a moment, while it is moved between references.
        for (const model of loaded()) this.inc(labelsOf(model), of(model));
      },
    });
  };
  gauge('millrace_inference_queued_rows', 'Rows that wait for a run of the model.', ({ queue }) => queue.queuedRows);
  gauge('millrace_inference_running_rows', 'Rows that the model is running.', ({ queue }) => queue.runningRows);
  gauge(
    'nv_inference_pending_request_count',
    "Requests that wait for the model or are run by it, under the name of Triton's metric that schedulers of others read.",
    ({ queue }) => queue.pending,
  );

  const seen = new Map<ServedModel, number>();
  let loopMs = 0;
  let workersMs = 0;
  new Counter({
    name: 'millrace_inference_busy_seconds_total',
    help: 'Time that a part of the process was busy: its event loop, its worker threads (as a share of those that may run at once), a model. Its rate is a share from 0 to 1; where the highest of a process nears 1 it can take no more.',
    labelNames: ['part', ...labelNames],
    registers,
    collect() {
      const loop = performance.eventLoopUtilization().active;
      this.inc({ part: 'loop' }, Math.max(0, loop - loopMs) / 1000);
      loopMs = loop;
      this.inc({ part: 'workers' }, (workersBusyMs() - workersMs) / 1000);
      workersMs = workersBusyMs();
      const models = loaded();
      const now = new Set(models);
      for (const [model] of seen) {
        if (now.has(model)) continue;
        seen.delete(model);
        if (!models.some(({ version }) => version.name === model.version.name && version.version === model.version.version))
          this.remove({ part: 'model', ...labelsOf(model) });
      }
      for (const model of models) {
        const { busyMs } = model.queue;
        this.inc({ part: 'model', ...labelsOf(model) }, (busyMs - (seen.get(model) ?? 0)) / 1000);
        seen.set(model, busyMs);
      }
    },
  });
}

function labelsOf({ version }: ServedModel): { model: string; version: string } {
  return { model: version.name, version: String(version.version) };
}
