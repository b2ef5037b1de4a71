// Which events are on which topic: what the manifest says of the topics, and schemas/ of the events.
import { ALL_TOPICS, OUTPUTS } from '../../libs/contracts/src/topics.ts';

/**
 * Every topic of the manifest with its events. A facts topic names its types; all other events of a domain are its decisions.
 * Throws when an event has no topic or a topic names an event that has no schema: a generated page would be silent about it.
 */
export function topicEvents(events, topics = [...ALL_TOPICS, OUTPUTS]) {
  const isFact = ({ domain, type }) => topics.some((topic) => topic.domain === domain && topic.types.includes(type));
  const problems = [];
  for (const event of events) {
    const isDecided = topics.some((topic) => topic.domain === event.domain && topic.kind === 'decisions');
    if (!isFact(event) && !isDecided) problems.push(`${event.key} is on no topic of the manifest`);
  }
  const found = topics.map((topic) => {
    const known = (type) => events.some((event) => event.domain === topic.domain && event.type === type);
    problems.push(...topic.types.filter((type) => !known(type)).map((type) => `${topic.name} holds ${type}, which has no schema`));
    const carries = topic.kind === 'decisions' ? (event) => !isFact(event) : (event) => topic.types.includes(event.type);
    return { topic, events: events.filter((event) => event.domain === topic.domain && carries(event)) };
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return found;
}
