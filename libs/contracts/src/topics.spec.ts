import { expect, test } from '@jest/globals';
import { EVENTS } from './generated/catalog.js';
import { ALL_TOPICS, decisionsTopic, DOMAINS, topicManifest } from './topics.js';

/** What is frozen: a line here changes only by being added. Another partition count would put a key's records in two partitions. */
const FROZEN = `
millrace.tracking.decisions 4
millrace.registry.decisions 4
millrace.resources.decisions 4
millrace.access.decisions 4
millrace.features.decisions 4
millrace.inference.decisions 4
millrace.experimentation.decisions 4
millrace.tracking.metric-points 4
millrace.tracking.model-metrics 4
millrace.registry.webhook-deliveries 4
millrace.tracking.traces 4
millrace.tracking.dataset-records 4
millrace.tracking.artifacts 4
millrace.features.reads 4
millrace.inference.predictions 4
millrace.inference.shadows 4
millrace.inference.labels 4
millrace.inference.serving-checks 4
millrace.experimentation.exposures 4
millrace.experimentation.outcomes 4
`;

test('topics and partitions are what they were', () => {
  expect(ALL_TOPICS.map(({ name, partitions }) => `${name} ${partitions}`)).toEqual(FROZEN.trim().split('\n'));
});

test('every domain has decisions, kept for ever', () => {
  for (const domain of DOMAINS)
    expect(topicManifest(decisionsTopic(domain))).toMatchObject({ domain, kind: 'decisions', retention: 'forever' });
  expect(topicManifest('flights')).toBeUndefined();
});

test('every fact on a topic has a schema', () => {
  const known = new Set(EVENTS.map(({ domain, name }) => `${domain}.${name}`));
  for (const { domain, types } of ALL_TOPICS) for (const type of types) expect(known).toContain(`${domain}.${type}`);
});
