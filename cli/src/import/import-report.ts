/** What an import has found and done, counted. */
export interface Counts {
  experiments: number;
  runs: number;
  loggedModels: number;
  params: number;
  tags: number;
  points: number;
  files: number;
  bytes: number;
  models: number;
  versions: number;
  aliases: number;
}

export type Counted = keyof Counts;

const MOST_PROBLEMS_KEPT = 1000;

/** Counts what the source has, what of it was brought by this command and what was here before; keeps what went wrong. */
export class ImportReport {
  readonly found = zero();
  readonly brought = zero();
  readonly problems: string[] = [];
  readonly notes: string[] = [];
  #problemCount = 0;
  #differences = 0;

  count(what: Counted, found: number, brought: number): void {
    this.found[what] += found;
    this.brought[what] += brought;
  }

  /** Something is not here as it is there. */
  problem(where: string, what: string): void {
    this.#problemCount++;
    if (this.problems.length < MOST_PROBLEMS_KEPT) this.problems.push(`${where}: ${what}`);
  }

  /** Something a person should know, and nothing is wrong. */
  note(text: string): void {
    if (this.notes.length < MOST_PROBLEMS_KEPT) this.notes.push(text);
  }

  /** Something differs because people have changed it here; it is left so. */
  left(where: string, what: string): void {
    this.#differences++;
    this.note(`${where}: ${what}; left`);
  }

  get isWhole(): boolean {
    return this.#problemCount === 0;
  }

  json(): object {
    const { found, brought, problems, notes } = this;
    return { whole: this.isWhole, found, brought, problemCount: this.#problemCount, differences: this.#differences, problems, notes };
  }

  text(): string {
    const rows = (Object.keys(this.found) as Counted[]).map((what) => {
      const [found, brought] = [this.found[what], this.brought[what]];
      return `  ${what.padEnd(12)} ${String(found).padStart(12)} ${String(brought).padStart(12)} ${String(found - brought).padStart(12)}`;
    });
    const head = `  ${''.padEnd(12)} ${'there'.padStart(12)} ${'brought now'.padStart(12)} ${'here before'.padStart(12)}`;
    const notes = this.notes.map((note) => `note: ${note}`);
    const problems = this.problems.map((problem) => `problem: ${problem}`);
    const more = this.#problemCount > this.problems.length ? [`and ${this.#problemCount - this.problems.length} more problems`] : [];
    const verdict = this.#verdict();
    return `${[head, ...rows, ...notes, ...problems, ...more, verdict].join('\n')}\n`;
  }

  #verdict(): string {
    if (!this.isWhole) return `${this.#problemCount} problems; see above.`;
    if (this.#differences === 0) return 'Everything is here, counts and digests compared.';
    return `Nothing is missing, counts and digests compared; ${this.#differences} things differ and are left as they are here, see the notes.`;
  }
}

function zero(): Counts {
  const ofRuns = { experiments: 0, runs: 0, loggedModels: 0, params: 0, tags: 0, points: 0, files: 0, bytes: 0 };
  return { ...ofRuns, models: 0, versions: 0, aliases: 0 };
}
