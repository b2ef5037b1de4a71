import { EVENTS } from './generated/catalog.js';

/** Data of one version of an event as data of the next. Pure, total over what the old schema accepted. */
export type Upcast = (data: unknown) => unknown;

/** By `<domain>.<EventType>`, then by the version it starts from. */
export type UpcastSteps = Readonly<Record<string, Readonly<Record<number, Upcast>>>>;

/** What was found on the log, in the newest version there is a schema of. */
export type Upcasted =
  { readonly ok: true; readonly version: number; readonly data: unknown } | { readonly ok: false; readonly reason: string };

export interface KnownEvent {
  readonly domain: string;
  readonly name: string;
  readonly version: number;
}

/**
 * Lifts old events to the newest version when they are read; what is on the log is never rewritten. Refuses to be made with a gap, so an
 * event that cannot be lifted is found when a process starts, not when it meets one.
 */
export class Upcasters {
  readonly #newest = new Map<string, number>();

  constructor(
    known: readonly KnownEvent[],
    private readonly steps: UpcastSteps,
  ) {
    for (const { domain, name, version } of known) {
      const key = `${domain}.${name}`;
      this.#newest.set(key, Math.max(version, this.#newest.get(key) ?? 0));
    }
    const problems = [...this.#gaps(), ...this.#strays()];
    if (problems.length > 0) throw new Error(`upcasters: ${problems.join('; ')}`);
  }

  /** The newest version of an event there is a schema of; `undefined` for an event nobody has described. */
  newest(domain: string, name: string): number | undefined {
    return this.#newest.get(`${domain}.${name}`);
  }

  /** Refused: a version newer than this build knows. The writer was upgraded before its readers; upgrade this process. */
  lift(domain: string, name: string, version: number, data: unknown): Upcasted {
    const key = `${domain}.${name}`;
    const newest = this.#newest.get(key);
    if (newest === undefined) return { ok: false, reason: `${key} is no event of this build` };
    if (version > newest || version < 1) return { ok: false, reason: `${key} v${version} is not known here, the newest is v${newest}` };
    let lifted = data;
    for (let from = version; from < newest; from++) lifted = (this.steps[key]?.[from] as Upcast)(lifted);
    return { ok: true, version: newest, data: lifted };
  }

  *#gaps(): Iterable<string> {
    for (const [key, newest] of this.#newest) {
      for (let from = 1; from < newest; from++) {
        if (!this.steps[key]?.[from]) yield `no step from ${key} v${from} to v${from + 1}`;
      }
    }
  }

  *#strays(): Iterable<string> {
    for (const [key, steps] of Object.entries(this.steps)) {
      for (const from of Object.keys(steps).map(Number)) {
        if (from >= (this.#newest.get(key) ?? 0)) yield `a step from ${key} v${from}, which leads to no schema`;
      }
    }
  }
}

/** Steps of the events there are. One entry per version that was followed by another. */
const STEPS: UpcastSteps = {};

export const upcasters = new Upcasters(EVENTS, STEPS);
