import type { DomainLog } from '@millrace/service';
import type { FactSink } from '../gateway/fact-sink.js';
import type { FeatureReader } from '../gateway/feature-vectors.js';
import type { Gateway } from '../gateway/gateway.js';
import type { InferenceHost } from '../inference.runtime.js';
import { decodeOutput, outputRow } from '../projections/stream-outputs.projection.js';
import { GatheredFeatures } from './gathered-features.js';
import type { PredictingOptions } from './predict-event.js';
import { StreamMetrics } from './stream-metrics.js';
import { Streams } from './streams.js';

export interface OpenStreams {
  readonly domain: DomainLog;
  readonly directory: PredictingOptions['directory'];
  readonly features: FeatureReader;
  /** For what streams predict alone: it is waited for, and callers' records are not. */
  readonly sink: FactSink;
  readonly openGateway: (parts: { readonly features: FeatureReader; readonly sink: FactSink }) => Gateway;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const OUTPUTS_TABLE = 'millrace.stream_outputs_log';

/** Opens streaming inference; it begins when all resources that are on the log are folded. */
export function openStreams(host: InferenceHost, { domain, directory, sink, openGateway, features }: OpenStreams): Streams {
  const { resources, log, consumers, tables, clock, scheduler, ids, lifecycle, logger } = host;
  const metrics = new StreamMetrics(host.registry);
  const gathered = new GatheredFeatures(features);
  const gateway = openGateway({ features: gathered, sink });
  const streams = new Streams({
    ...{ catalog: resources.catalog, domain, log, consumers, clock, scheduler, ids, metrics },
    predicting: { gateway, directory, features: gathered, ids },
    predictionsWritten: () => sink.flushed(),
    project: async (outputTopic) => {
      await tables.add({
        name: `inference.outputs.${outputTopic}`,
        topic: outputTopic,
        table: OUTPUTS_TABLE,
        shared: true,
        mustCatchUp: false,
        decode: decodeOutput,
        toRows: outputRow,
      });
    },
    observer: {
      started: (stream, version) => logger.info({ stream, version }, 'stream is at work'),
      troubled: (stream, reason) => logger.warn({ stream, reason }, 'a stream cannot begin; trying again'),
    },
  });
  metrics.watch(
    () => streams.running(),
    () => clock.now(),
  );
  lifecycle.add('projections', 'inference.stream-facts', () => sink.close());
  lifecycle.add('consumers', 'inference.streams', () => streams.stop());
  void startWhenFolded(host, streams);
  return streams;
}

async function startWhenFolded({ resources, scheduler, lifecycle, logger }: InferenceHost, streams: Streams): Promise<void> {
  for (let pause = FIRST_PAUSE_MS; !lifecycle.isClosing; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await resources.log.barrier();
      if (!lifecycle.isClosing) streams.start();
      return;
    } catch (error) {
      logger.warn({ err: error }, 'the resources are not folded yet; streams wait');
      await new Promise<void>((resolve) => void scheduler.after(pause, resolve));
    }
  }
}
