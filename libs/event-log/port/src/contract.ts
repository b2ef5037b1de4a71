import { describe } from '@jest/globals';
import { appendContract } from './contract/append.js';
import { groupContract } from './contract/groups.js';
import { contractTopics, type EventLogFixture } from './contract/fixture.js';
import { readContract } from './contract/read.js';
import { subscribeContract } from './contract/subscribe.js';
import { topicContract } from './contract/topics.js';

export { collector, eventually, type EventLogFixture } from './contract/fixture.js';

/**
 * What every adapter of {@link EventLog} promises. `factory` opens the log under test once for the whole suite; tests keep apart
 * by making topics of their own. Nothing here sleeps or measures time: every wait is for a condition.
 */
export function eventLogContract(name: string, factory: () => Promise<EventLogFixture>): void {
  describe(`${name}: the contract of the event log`, () => {
    const topics = contractTopics(factory);
    topicContract(topics);
    appendContract(topics);
    readContract(topics);
    subscribeContract(topics);
    groupContract(topics);
  });
}
