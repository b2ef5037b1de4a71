import type { Clock } from '@millrace/kernel';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What is missing, in words. */
  readonly detail?: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly Check[];
  /** What does not work, or soon will not, while the rest does: nobody is to be taken out for it, and somebody has to look. */
  readonly warnings: readonly Warning[];
}

export interface Warning {
  readonly name: string;
  /** What it is and how it is mended, in words. */
  readonly detail: string;
}

export interface Liveness {
  readonly live: boolean;
  readonly fatal: readonly { readonly name: string; readonly reason: string }[];
}

const PING_TIMEOUT_MS = 2000;
/** Probes come from several sides; a dependency is asked once a second at most. */
const PING_KEPT_MS = 1000;

/**
 * What the probes see. Live: the event loop turns and no part of the process has died for good. Ready: every dependency answers
 * and every reader has caught up once with what was on the log when it started (after that, lag is a metric, not a reason to be taken out).
 */
export class Health {
  readonly #dependencies = new Map<string, Probe>();
  readonly #troubles = new Map<string, Probe>();
  readonly #catchUps = new Map<string, () => string | undefined>();
  readonly #stalls = new Map<string, () => string | undefined>();
  readonly #fatal = new Map<string, string>();
  #isStopping = false;

  constructor(private readonly clock: Clock) {}

  /** A dependency that readiness asks; `ping` rejects with the reason. */
  dependency(name: string, ping: () => Promise<void>): void {
    this.#dependencies.set(name, { ask: () => ping().then(() => undefined), at: -Infinity, last: Promise.resolve(undefined) });
  }

  /** A part that may fail while all others go on; says what troubles it, or nothing. Readiness tells it and does not rest on it. */
  trouble(name: string, ask: () => Promise<string | undefined>): void {
    this.#troubles.set(name, { ask, at: -Infinity, last: Promise.resolve(undefined) });
  }

  /** A reader that has to catch up before the process is ready; says what is missing, or nothing once it has caught up. */
  catchUp(name: string, missing: () => string | undefined): void {
    this.#catchUps.set(name, missing);
  }

  /** A loop that may hang: says why it counts as hung, or nothing. */
  watch(name: string, stalled: () => string | undefined): void {
    this.#stalls.set(name, stalled);
  }

  forget(name: string): void {
    this.#catchUps.delete(name);
    this.#stalls.delete(name);
  }

  /** A part of the process is dead and will not come back by itself: it has to be restarted. */
  fatal(name: string, reason: string): void {
    this.#fatal.set(name, reason);
  }

  stopping(): void {
    this.#isStopping = true;
  }

  /** It has been told to end: it answers still, and is not ready for more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  liveness(): Liveness {
    const fatal = [...this.#fatal].map(([name, reason]) => ({ name, reason }));
    for (const [name, stalled] of this.#stalls) {
      const reason = stalled();
      if (reason !== undefined) fatal.push({ name, reason });
    }
    return { live: fatal.length === 0, fatal };
  }

  async readiness(): Promise<Readiness> {
    const checks: Check[] = [];
    if (this.#isStopping) checks.push({ name: 'process', ok: false, detail: 'is stopping' });
    const warnings = this.#warnings();
    const pings = [...this.#dependencies].map(async ([name, probe]) => checkOf(name, await this.#ask(probe)));
    checks.push(...(await Promise.all(pings)));
    for (const [name, missing] of this.#catchUps) checks.push(checkOf(name, missing()));
    for (const { name, reason } of this.liveness().fatal) checks.push({ name, ok: false, detail: reason });
    return { ready: checks.every((check) => check.ok), checks, warnings: await warnings };
  }

  async #warnings(): Promise<Warning[]> {
    const asked = [...this.#troubles].map(async ([name, probe]) => ({ name, detail: await this.#ask(probe) }));
    return (await Promise.all(asked)).flatMap(({ name, detail }) => (detail === undefined ? [] : [{ name, detail }]));
  }

  #ask(probe: Probe): Promise<string | undefined> {
    const now = this.clock.now();
    if (now - probe.at >= PING_KEPT_MS) {
      probe.at = now;
      probe.last = reasonOf(probe.ask);
    }
    return probe.last;
  }
}

/** What is asked once a second at most, and what it last said. */
interface Probe {
  readonly ask: () => Promise<string | undefined>;
  at: number;
  last: Promise<string | undefined>;
}

function checkOf(name: string, detail: string | undefined): Check {
  return detail === undefined ? { name, ok: true } : { name, ok: false, detail };
}

async function reasonOf(ask: () => Promise<string | undefined>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`does not answer within ${PING_TIMEOUT_MS} ms`), PING_TIMEOUT_MS);
    timer.unref();
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
