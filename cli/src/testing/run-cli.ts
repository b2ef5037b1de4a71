import { run } from '../run.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in this process as a shell without a terminal would, against the platform at `url`. */
export async function runCli(url: string, args: readonly string[], stdin = ''): Promise<Ran> {
  let [out, err] = ['', ''];
  const code = await run(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    stdin: () => Promise.resolve(stdin),
    environment: { MILLRACE_URL: url },
    isInteractive: false,
    interrupted: new AbortController().signal,
  });
  return { code, out, err };
}
