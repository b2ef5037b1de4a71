import { expect, test } from '@jest/globals';
import { cardMarkdown, modelCard, type CardFacts } from './model-card.js';

const FACTS: CardFacts = {
  ...{ name: 'delay', version: 3, stage: 'None', aliases: [], registeredBy: 'ana', registeredAt: null },
  ...{ modelDescription: null, description: null, tags: {}, digest: null, signedBy: null, flavours: [], inputs: [], outputs: [] },
  ...{ fileLicence: null, run: null, checks: [], deployments: [] },
};

test.each([
  ['2026-01-31T12:00:00.000Z', 'Registered by ana, 2026-01-31T12:00:00.000Z'],
  // Of a version that came from another registry.
  [null, 'Registered by ana, at a time beyond the year 9999'],
])('a card says when the version was registered: %s', (registeredAt, line) => {
  expect(cardMarkdown(modelCard({ ...FACTS, registeredAt }))).toContain(line);
});
