import type { Clock, Scheduler } from '@millrace/kernel';
import type { GovernanceCommands } from '../commands/governance-commands.js';
import type { RegistryView } from '../queries/registry-view.js';

export interface PromotionsReactorOptions {
  readonly view: RegistryView;
  readonly commands: Pick<GovernanceCommands, 'settle' | 'expire'>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly onFault: (error: unknown) => void;
}

const PAUSE_MS = 1000;

/**
 * Looks at the open requests again and again: expires those whose time is over, and promotes those that lack nothing but were not promoted,
 * because a process died in between or a policy was changed. Every process does it; the command ids are the same, so it happens once.
 */
export class PromotionsReactor {
  #cancel: (() => void) | undefined;
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

  async #look(): Promise<void> {
    const { view, commands, clock, onFault } = this.options;
    for (const { registered } of [...view.models()]) {
      for (const promotion of [...view.governed(registered.modelId).governance.promotions.values()]) {
        if (promotion.status !== 'open' || this.#isStopped) continue;
        const now = clock.now();
        try {
          if (now >= promotion.expiresAt) await commands.expire(registered.modelId, promotion.request, now);
          else if (now - promotion.requestedAt > PAUSE_MS)
            await commands.settle(registered.modelId, registered.name, promotion.request, { now });
        } catch (error) {
          onFault(error);
        }
      }
    }
  }
}
