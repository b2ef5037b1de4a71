import type { Logger } from 'pino';
import type { InferenceMetrics } from '../metrics.js';
import type { RunnerObserver } from '../runner/runner-opener.js';
import type { ModelHostObserver } from './model-host.js';
import type { ServedModel } from './served-model.js';
import type { VersionChecksOptions } from './version-checks.js';

/** Tells the log and the metrics what becomes of models. */
export function hostObserver(logger: Logger, metrics: InferenceMetrics): ModelHostObserver {
  const labels = (model: ServedModel) => ({ model: model.version.name, version: String(model.version.version) });
  return {
    loaded: (model) => {
      metrics.loaded.set(labels(model), 1);
      const { place, inputs, outputs, memoryBytes, widened } = model;
      logger.info({ ...labels(model), place, memoryBytes, inputs, outputs }, 'model loaded');
      if (widened.length > 0) logger.info({ ...labels(model), widened }, 'half-precision inputs and outputs are computed with as FP32');
      if (model.warmUpError !== undefined) logger.warn({ ...labels(model), reason: model.warmUpError }, 'the warm-up with zeros failed');
    },
    swapped: (reference, from, to) =>
      logger.info({ reference, from: from?.version, to: to.version }, 'reference now served by another version'),
    failed: (reference, version, reason, isRetried) => {
      metrics.loadFailures.inc({ reference });
      logger.warn({ reference, version: version?.version, reason, isRetried }, 'model cannot be served');
    },
    deferred: (reference, version, reason) =>
      logger.info({ reference, version: version.version, reason }, 'model not loaded until it is asked for'),
    retired: (model, why) => {
      metrics.loaded.remove(labels(model));
      if (why.reason === 'unwanted') {
        logger.info({ ...labels(model), reason: why.reason }, 'model retired');
        return;
      }
      metrics.evictions.inc({ model: model.version.name });
      const { idleMs, bytes, neededFor } = why;
      const neededBy = `${neededFor.name} version ${neededFor.version}`;
      logger.info({ ...labels(model), reason: why.reason, idleMs: Math.round(idleMs), memoryBytes: bytes, neededBy }, 'model unloaded');
    },
  };
}

export function runnerObserver(logger: Logger, metrics: InferenceMetrics): RunnerObserver {
  return {
    crashed: (model, reason) => {
      metrics.crashes.inc();
      logger.error({ model, reason }, "a model's worker thread ended; it is started again");
    },
    moved: (model, to) => {
      metrics.moves.inc({ to });
      logger.info({ model, to }, 'model moved: its run time asks for it');
    },
    stayed: (model, wanted, error) => logger.warn({ err: error, model, wanted }, 'model could not be moved and stays where it is'),
  };
}

export function checksObserver(logger: Logger, metrics: InferenceMetrics): VersionChecksOptions['observer'] {
  return {
    checked: (check) => {
      metrics.checks.inc({ outcome: check.servable ? 'servable' : 'refused' });
      const { model, version } = check;
      // No warning: who only registers a model need not mean to serve it.
      if (check.servable) logger.info({ model, version, place: check.place, runMs: check.runMs }, 'registered version can be served');
      else logger.info({ model, version, reason: check.reason }, 'registered version cannot be served');
    },
    failed: ({ name, version }, error) => logger.warn({ err: error, model: name, version }, 'registered version could not be checked'),
  };
}
