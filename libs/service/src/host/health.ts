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
  readonly #dependencies = new Map<string, { ping: () => Promise<void>; at: number; last: Promise<string | undefined> }>();
  readonly #catchUps = new Map<string, () => string | undefined>();
  readonly #stalls = new Map<string, () => string | undefined>();
  readonly #fatal = new Map<string, string>();
  #isStopping = false;

  constructor(private readonly clock: Clock) {}

  /** A dependency that readiness asks; `ping` rejects with the reason. */
  dependency(name: string, ping: () => Promise<void>): void {
    this.#dependencies.set(name, { ping, at: -Infinity, last: Promise.resolve(undefined) });
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
    const pings = [...this.#dependencies.keys()].map(async (name) => checkOf(name, await this.#ping(name)));
    checks.push(...(await Promise.all(pings)));
    for (const [name, missing] of this.#catchUps) checks.push(checkOf(name, missing()));
    for (const { name, reason } of this.liveness().fatal) checks.push({ name, ok: false, detail: reason });
    return { ready: checks.every((check) => check.ok), checks };
  }

  #ping(name: string): Promise<string | undefined> {
    const dependency = this.#dependencies.get(name);
    if (!dependency) return Promise.resolve(undefined);
    const now = this.clock.now();
    if (now - dependency.at >= PING_KEPT_MS) {
      dependency.at = now;
      dependency.last = reasonOf(dependency.ping);
    }
    return dependency.last;
  }
}

function checkOf(name: string, detail: string | undefined): Check {
  return detail === undefined ? { name, ok: true } : { name, ok: false, detail };
}

async function reasonOf(ping: () => Promise<void>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`does not answer within ${PING_TIMEOUT_MS} ms`), PING_TIMEOUT_MS);
    timer.unref();
  });
  try {
    return await Promise.race([ping().then(() => undefined), late]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
