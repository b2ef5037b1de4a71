import { z } from 'zod';
import { markdownTable } from '../markdown-table.js';
import { kitConfig } from './kit-variables.js';
import type { ConfigGroup, Variable } from './variable.js';

/** The reference page of all variables, as Markdown: the kit's, then each group's. Generated, and checked to be current by a test. */
export function configurationReference(groups: readonly ConfigGroup[]): string {
  const parts = [
    '# Configuration',
    'Everything is set by environment variables, read once at the start. An unknown `MILLRACE_*` variable refuses to start and names the nearest ' +
      'known one; variables of other services (`MILLRACE_<SERVICE>_*`) are passed over. An empty value counts as not set. Durations are `500ms`, ' +
      '`30s`, `5m`, `1h`, `7d`, of `24d` at most unless it is said otherwise; sizes are `64KiB`, `16MiB`, `1GiB`. Secrets are never printed.',
    '## Every process',
    table(Object.values(kitConfig.variables)),
  ];
  for (const group of groups) {
    const variables = Object.values(group.variables);
    if (variables.length > 0) parts.push(`## The ${group.name} service`, table(variables));
  }
  return `${parts.join('\n\n')}\n`;
}

function table(variables: readonly Variable[]): string {
  return markdownTable(
    ['variable', 'default', 'meaning'],
    variables.map((variable) => [`\`${variable.name}\``, fallbackOf(variable), variable.meaning]),
  );
}

/** The default as it would be written in the environment. */
function fallbackOf({ schema, secret }: Variable): string {
  const { default: fallback } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  if (typeof fallback !== 'string' || fallback === '') return '(not set)';
  return secret ? '(secret)' : `\`${fallback}\``;
}
