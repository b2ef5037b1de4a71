const FIELD = String.raw`^field (\w+) is `;

/** What to call a reason, by its form; `$1` is the column, `$2` what it should have been. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`${FIELD}.* expected( values)?$`, 's'), '$1 is not as expected'],
  [new RegExp(`${FIELD}(missing|null); it must be `), '$1 is $2'],
  [new RegExp(`${FIELD}.*; it must be (.+)$`, 's'), '$1 is no $2'],
  [new RegExp(`${FIELD}.*, too far after `), '$1 is too far ahead'],
  [/^key .* belongs to partition /s, 'in the wrong partition'],
  [/^the event is \d+ bytes long/, 'too long'],
  [/^the event is not a JSON object/, 'no JSON object'],
  [/not JSON|no JSON|valid JSON/, 'no JSON'],
];

/** The kind of a rejected event's reason: few enough to be counted by, as they name columns and no values. */
export function rejectionKind(reason: string): string {
  for (const [form, kind] of KINDS) {
    const match = form.exec(reason);
    if (match) return kind.replace('$1', match[1] ?? '').replace('$2', match[2] ?? '');
  }
  return 'other';
}
