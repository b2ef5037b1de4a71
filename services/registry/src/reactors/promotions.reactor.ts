import type { Clock, Scheduler } from '@millrace/kernel';
import type { GovernanceCommands } from '../commands/governance-commands.js';
import type { Rule } from '../domain/governance/rules.js';
import type { ModelView, RegistryView } from '../queries/registry-view.js';

export interface PromotionsReactorOptions {
  readonly view: RegistryView;
  /** The policies of a model, as far as this process has read. */
  readonly rules: (model: string) => readonly Rule[];
  readonly commands: Pick<GovernanceCommands, 'settle' | 'expire'>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly onFault: (error: unknown) => void;
}

const PAUSE_MS = 1000;

/**
 * Looks at the open requests again and again: expires those whose time is over, and promotes those that lack nothing but were not promoted,
 * because a process died in between, a policy was changed, or what a check failed for was mended. Every process does it; the command ids are the
 * same, so it happens once.
 */
export class PromotionsReactor {
  #cancel: (() => void) | undefined;
  /** What there was when an open request was last looked at, by model and request. */
  #seen = new Map<string, string>();
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly options: PromotionsReactorOptions) {}

  start(): void {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#running;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.options.scheduler.after(PAUSE_MS, () => {
      this.#running = this.#look().finally(() => this.#schedule());
    });
  }

  /** What people change to mend a failed check, as far as it is cheap to see: descriptions and tags, and the policies themselves. */
  #factsOf({ registered, model }: ModelView, version: number): string {
    const policies = this.options.rules(registered.name).map(({ policy, policyVersion }) => `${policy}@${policyVersion}`);
    const { updatedAt, tags } = model.versions.get(version) ?? {};
    // A tag of a version does not count as its change, to clients.
    return JSON.stringify([registered.updatedAt, updatedAt, ...(tags ?? []), ...policies]);
  }

  async #look(): Promise<void> {
    const { view, commands, clock, onFault } = this.options;
    const seen = this.#seen;
    this.#seen = new Map();
    for (const model of [...view.models()]) {
      const { registered } = model;
      for (const promotion of [...view.governed(registered.modelId).governance.promotions.values()]) {
        if (promotion.status !== 'open' || this.#isStopped) continue;
        const now = clock.now();
        try {
          if (now >= promotion.expiresAt) await commands.expire(registered.modelId, promotion.request, now);
          else if (now - promotion.requestedAt > PAUSE_MS) {
            const key = `${registered.modelId}:${promotion.request}`;
            const facts = this.#factsOf(model, promotion.version);
            const mayBeMended = seen.get(key) !== facts;
            await commands.settle(registered.modelId, registered.name, promotion.request, { now }, { mayBeMended });
            this.#seen.set(key, facts);
          }
        } catch (error) {
          onFault(error);
        }
      }
    }
  }
}
