export interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Column {
  readonly values: readonly unknown[];
  readonly statuses: readonly string[];
  readonly event_timestamps: readonly string[];
}

/** What two answers say where they differ, each in a few words; `undefined` when they say the same. */
export function summaries(feast: Answer, millrace: Answer): { readonly feast: string; readonly millrace: string } | undefined {
  const [one, other] = [columnsOf(feast), columnsOf(millrace)];
  if (!one || !other) {
    const [theirs, ours] = [plain(feast), plain(millrace)];
    return theirs === ours ? undefined : { feast: theirs, millrace: ours };
  }
  // By name: Feast's order of features is not that of the request, and changes from start to start.
  const names = [...new Set([...one.keys(), ...other.keys()])].sort();
  const differing = names.filter((name) => JSON.stringify(one.get(name)) !== JSON.stringify(other.get(name)));
  if (differing.length === 0) return undefined;
  return { feast: shown(one, other, differing), millrace: shown(other, one, differing) };
}

function columnsOf({ status, body }: Answer): Map<string, Column> | undefined {
  if (status !== 200 || !body.startsWith('{"results"')) return undefined;
  const { results, metadata } = JSON.parse(body) as { results: Column[]; metadata: { feature_names: string[] } };
  return new Map(metadata.feature_names.map((name, index) => [name, results[index] as Column]));
}

/** Of each column the parts that differ. */
function shown(own: Map<string, Column>, beside: Map<string, Column>, names: readonly string[]): string {
  const parts = (['values', 'statuses', 'event_timestamps'] as const).filter((part) =>
    names.some((name) => JSON.stringify(own.get(name)?.[part]) !== JSON.stringify(beside.get(name)?.[part])),
  );
  return names.map((name) => `${name}: ${parts.map((part) => partText(own.get(name), part)).join(', ')}`).join('; ');
}

function partText(column: Column | undefined, part: keyof Column): string {
  if (!column) return 'absent';
  if (part === 'event_timestamps') return column[part].map(timeText).join(' ');
  return (column[part] as readonly unknown[]).map((item) => (item === null ? 'null' : String(item as string))).join(' ');
}

const UNITS = ['second', 'millisecond', 'microsecond', 'nanosecond'];

/** Times are near now: no two runs would say the same. */
function timeText(time: string): string {
  if (time.startsWith('1970')) return 'of 1970';
  const digits = /\.(\d+)Z$/.exec(time)?.[1]?.length ?? 0;
  return digits === 0 ? 'of the event' : `of the event, to the ${UNITS[digits / 3] ?? `${digits} digits`}`;
}

/** Messages are worded by whoever fails: of an error the status counts, its class, and of a refused body which field and why. */
function plain({ status, body }: Answer): string {
  const columns = columnsOf({ status, body });
  if (columns && [...columns.values()].every(({ values }) => values.length === 0)) return '200 no rows';
  if (columns) return `200 ${shown(columns, new Map(), [...columns.keys()])}`;
  if (status < 300) return body === '' ? String(status) : `${status} ${body}`;
  const parsed = parse(body);
  if (typeof parsed === 'string') {
    const inner = parse(parsed) as { class?: string } | undefined;
    return inner?.class === undefined ? `${status} a message` : `${status} ${inner.class}`;
  }
  const { detail } = (parsed ?? {}) as { detail?: unknown };
  if (!Array.isArray(detail)) return `${status} ${body}`;
  const said = (detail as { type: string; loc: unknown[] }[]).map(({ type, loc }) => `${loc.join('.')}: ${type}`);
  return `${status} ${said.join(', ')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
