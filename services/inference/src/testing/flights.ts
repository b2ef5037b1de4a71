import { compileView, OnlineUpdater, readSourceEvent, type FeatureViewDefinition, type SourceEvent } from '@millrace/feature-engine';
import { logisticRegression } from '@millrace/onnx';
import type { Host } from '@millrace/service';

/** A small feature set over departures, as resources. */
export const FLIGHTS = `
apiVersion: millrace.dev/v1
kind: Source
metadata: {name: flights}
spec: {topic: flights, key: origin, eventTime: departed, schema: {departed: DateTime64(3), delay: Int32, origin: String}}
---
apiVersion: millrace.dev/v1
kind: Entity
metadata: {name: origin}
spec: {joinKeys: {origin: String}}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: origin_delays}
spec:
  entity: origin
  source: flights
  features:
    - {name: departures_1h, aggregate: count, window: 1h}
    - {name: delay_mean_6h, aggregate: mean, column: delay, window: 6h}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: delay_model}
spec: {features: [origin_delays], request: {distance: Float32}}
`;

/** Columns in another order than the feature service's: the model's order counts. */
export const FEATURES = ['distance', 'delay_mean_6h', 'departures_1h'] as const;

export function delayModel(bias: number): Uint8Array {
  return logisticRegression({
    features: FEATURES,
    weights: [0.001, 0.1, 0.5],
    bias,
    mean: [500, 10, 1],
    scale: [1, 1, 1],
    missingWeights: [0, -1, 0],
  });
}

/** The probability {@link delayModel} gives. A missing number of departures counts as its mean, 1. */
export function delayProbability(bias: number, distance: number, mean: number | null, departures: number): number {
  const logit = bias + 0.001 * (distance - 500) + (mean === null ? -1 : 0.1 * (mean - 10)) + 0.5 * (departures - 1);
  return 1 / (1 + Math.exp(-logit));
}

/** Puts departures of one origin into the online store, as the features service does. */
export async function departures(
  host: Pick<Host, 'log' | 'online' | 'topics'>,
  events: readonly { origin: string; departed: string; delay: number }[],
  /** Views over the same events that are kept online beside `origin_delays`. */
  more: readonly FeatureViewDefinition[] = [],
): Promise<void> {
  await host.topics.ensure({ name: 'flights', partitions: 1, retention: 'forever' });
  const source = {
    name: 'flights',
    topic: 'flights',
    eventTime: 'departed',
    key: ['origin'],
    schema: { departed: 'DateTime64(3)', delay: 'Int32', origin: 'String' },
  };
  const view: FeatureViewDefinition = {
    name: 'origin_delays',
    entity: 'origin',
    source: 'flights',
    features: [
      { name: 'departures_1h', aggregate: 'count', window: '1h' },
      { name: 'delay_mean_6h', aggregate: 'mean', column: 'delay', window: '6h' },
    ],
  };
  for (const definition of [view, ...more]) {
    const plan = compileView(definition, { name: 'origin', joinKeys: { origin: 'String' } }, source);
    const updater = new OnlineUpdater({ plan, store: host.online, partition: 0 });
    await updater.load();
    const first = updater.nextOffset;
    const decoded = events.map((event, index) => readSourceEvent(plan.source, event, 0, first + index));
    await updater.apply(
      decoded.map((event) => (event as { value: SourceEvent }).value),
      first + events.length,
    );
  }
}
