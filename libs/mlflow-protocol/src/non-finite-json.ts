/** Text of JSON, or one of the three numbers that JSON has no word for. */
const TEXT_OR_NON_FINITE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
/** Stands for NaN until all is parsed: no number that JSON can write becomes it. */
const NAN = '\ue000NaN\ue000';

/** What JSON says whose only fault is that it has bare `NaN`, `Infinity` or `-Infinity`; `undefined` when it has others, or none. */
export function parseNonFinite(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return undefined;
  // A number beyond all doubles is read as an infinity.
  const words: Readonly<Record<string, string>> = { NaN: JSON.stringify(NAN), Infinity: '1e999', '-Infinity': '-1e999' };
  try {
    return JSON.parse(
      text.replace(TEXT_OR_NON_FINITE, (found) => words[found] ?? found),
      (_key, value: unknown) => (value === NAN ? NaN : value),
    ) as unknown;
  } catch {
    return undefined;
  }
}
