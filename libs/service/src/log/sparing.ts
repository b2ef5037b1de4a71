import type { Clock } from '@millrace/kernel';

/** Lets something be said once per period and kind, with how often it went unsaid since: a flood becomes a line a second. */
export class Sparing {
  readonly #kinds = new Map<string, { next: number; unsaid: number }>();

  constructor(
    private readonly clock: Clock,
    private readonly periodMs: number,
  ) {}

  run(kind: string, say: (unsaid: number) => void): void {
    const now = this.clock.now();
    const state = this.#kinds.get(kind);
    if (state && now < state.next) {
      state.unsaid++;
      return;
    }
    this.#kinds.set(kind, { next: now + this.periodMs, unsaid: 0 });
    say(state?.unsaid ?? 0);
  }
}
