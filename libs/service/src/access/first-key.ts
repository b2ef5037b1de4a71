import { isFault, type Ids, type Scheduler } from '@millrace/kernel';
import type { Logger } from 'pino';
import type { Health } from '../host/health.js';
import type { Lifecycle } from '../host/lifecycle.js';
import type { Access } from './access.js';

export interface FirstKeyOptions {
  readonly access: Access;
  readonly ids: Ids;
  readonly scheduler: Scheduler;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
  /** Where the key is shown, once. Not the log: log lines are kept and shipped. */
  readonly show: (text: string) => void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/**
 * Where keys are asked for there has to be a first one. With `MILLRACE_ADMIN_KEY`, or an issuer whose claim names admins, there is a way in
 * already. Otherwise the log's first key is made and shown by the process that wins. Tried until the log can be reached.
 */
export function openFirstKey(options: FirstKeyOptions): void {
  const { access, ids, scheduler, health, lifecycle, logger, show } = options;
  const { isRequired, adminKey, oidc } = access.settings;
  if (!isRequired || adminKey !== undefined || oidc) return;
  let isDone = false;
  health.catchUp('access.first-key', () => (isDone ? undefined : 'not made yet'));
  const attempt = async (pauseMs: number): Promise<void> => {
    try {
      const key = await access.createFirstKey(ids);
      if (key !== undefined) {
        show(`\nThe first API key of this Millrace, an admin's. It is shown this once:\n\n  ${key}\n\n`);
        logger.info({ keyId: key.slice(3, 19) }, 'the first API key was made and shown on standard error');
      }
      isDone = true;
    } catch (error) {
      if (!isFault(error)) health.fatal('access.first-key', error instanceof Error ? error.message : String(error));
      else if (!lifecycle.isClosing) scheduler.after(pauseMs, () => void attempt(Math.min(pauseMs * 2, LONGEST_PAUSE_MS)));
    }
  };
  void attempt(FIRST_PAUSE_MS);
}
