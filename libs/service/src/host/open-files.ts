import { readFileSync } from 'node:fs';

/** Stores, models and connections of a busy process hold some hundreds. */
const ENOUGH = 1024;

/** What to tell an operator whose process may open few files only, sockets among them; nothing where the limit is high enough or unknown. */
export function tooFewFiles(limits = limitsOfProcess()): string | undefined {
  // Node has raised the soft limit to the hard one when it started.
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  if (files >= ENOUGH) return undefined;
  return (
    `this process may open ${files} files and connections at once, and needs ${ENOUGH}: the stores fail with "Too many open files" beyond it. ` +
    'Raise the hard limit: ulimit -Hn, LimitNOFILE= of systemd, ulimits of Docker.'
  );
}

/** Linux only. */
function limitsOfProcess(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
