const MOODS = [
  'able', 'bold', 'brave', 'bright', 'calm', 'clever', 'crisp', 'deft', 'eager', 'fair', 'fleet', 'gentle', 'glad', 'grand', 'keen', 'kind',
  'lively', 'loyal', 'merry', 'mild', 'neat', 'nimble', 'polite', 'proud', 'quick', 'quiet', 'rapid', 'serene', 'sharp', 'sound', 'steady', 'wise',
] as const; // prettier-ignore
const ANIMALS = [
  'badger', 'bear', 'bee', 'cat', 'crane', 'crow', 'deer', 'dove', 'duck', 'eagle', 'finch', 'fox', 'goat', 'goose', 'hare', 'hawk',
  'heron', 'horse', 'lark', 'lynx', 'mole', 'otter', 'owl', 'raven', 'robin', 'seal', 'shrew', 'snail', 'stork', 'swan', 'trout', 'wren',
] as const; // prettier-ignore

/** A name a person can say, for a run that was given none: the same for the same id. */
export function runNameOf(runId: string): string {
  const bits = Number.parseInt(runId.slice(-8), 16) >>> 0;
  const mood = MOODS[bits % MOODS.length] as string;
  const animal = ANIMALS[Math.floor(bits / MOODS.length) % ANIMALS.length] as string;
  return `${mood}-${animal}-${Math.floor(bits / (MOODS.length * ANIMALS.length)) % 1000}`;
}
