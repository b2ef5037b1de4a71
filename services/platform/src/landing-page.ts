interface Place {
  readonly path: string;
  readonly what: string;
  /** A GET in a browser shows something. */
  readonly opens?: boolean;
}

const PLACES: readonly Place[] = [
  { path: '/api/2.0/mlflow/', what: 'MLflow’s REST: experiments, runs, registered models. Point MLFLOW_TRACKING_URI at this address.' },
  {
    path: '/v2/',
    what: 'Open Inference Protocol: infer from tensors or from entity keys; gRPC is on MILLRACE_GRPC_PORT (8081).',
    opens: true,
  },
  { path: '/get-online-features', what: 'Feast’s feature server: read, push, materialize.' },
  { path: '/api/v1/apply', what: 'Apply resources (YAML or JSON); the millrace command does the same.' },
  { path: '/api/v1/resources', what: 'What has been applied.', opens: true },
  { path: '/api/v1/sources/{name}/events', what: 'Send feature events over HTTP.' },
  { path: '/api/v1/training-sets', what: 'Point-in-time training sets.' },
  { path: '/api/v1/batch-jobs', what: 'Score whole tables and files with a model.' },
  { path: '/api/v1/experiments/{name}/results', what: 'What an experiment has shown.' },
  { path: '/api/v1/openapi.json', what: 'All of /api/v1, as OpenAPI.', opens: true },
  { path: '/readyz', what: 'Is everything up, and if not, what is missing.', opens: true },
  { path: '/healthz', what: 'Is the process alive.', opens: true },
  { path: '/metrics', what: 'Prometheus.', opens: true },
];

export interface LandingPageOptions {
  /** Path below which the reader sees this server; empty: at the root. */
  readonly base: string;
  readonly clickhouseUrl?: string | undefined;
}

/** The page at `/`: what runs here and where to look. Plain, without anything from elsewhere. */
export function landingPage(runs: string, { base, clickhouseUrl }: LandingPageOptions): string {
  const rows = PLACES.map(({ path, what, opens }) => {
    const shown = escape(`${base}${path}`);
    const name = `<code>${shown}</code>`;
    return `<tr><td>${opens ? `<a href="${shown}">${name}</a>` : name}</td><td>${escape(what)}</td></tr>`;
  });
  if (clickhouseUrl !== undefined) {
    rows.push(
      `<tr><td><code>${escape(clickhouseUrl)}</code></td><td>ClickHouse for analysts, read-only: database <code>millrace</code>.</td></tr>`,
    );
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Millrace</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; color: #1c2430; background: #fff; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid #d8dee6; padding: .4rem .8rem .4rem 0; vertical-align: top; }
code { font: 14px/1.5 ui-monospace, monospace; }
@media (prefers-color-scheme: dark) { body { color: #dbe2ea; background: #12161c; } td { border-color: #303a46; } a { color: #8ab4f8; } }
</style>
</head>
<body>
<h1>Millrace</h1>
<p>An event-sourced MLOps platform. Running: ${escape(runs)}.</p>
<table>
${rows.join('\n')}
</table>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
