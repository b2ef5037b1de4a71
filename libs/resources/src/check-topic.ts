const DEAD_LETTERS = '.dead-letters';
const OWN = 'millrace.';

/**
 * A topic that a definition names is written to for whoever may send its events. On a topic of the platform that would be its decisions, the
 * API keys among them, made by anybody.
 */
export function checkTopic(topic: string, say: (message: string) => void): void {
  if (topic.startsWith(OWN)) say(`names beginning with ${OWN} are the platform's own`);
  if (topic.endsWith(DEAD_LETTERS)) say(`names ending in ${DEAD_LETTERS} are of topics for records that could not be taken`);
}
