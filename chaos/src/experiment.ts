/** Applies the chaos definitions and makes the MLflow experiment the load writes into. Both are idempotent. */
import { RESOURCES } from './load.js';

export async function prepare(url: string): Promise<string> {
  const applied = await fetch(`${url}/api/v1/apply`, { method: 'POST', headers: { 'content-type': 'application/yaml' }, body: RESOURCES });
  if (!applied.ok) throw new Error(`apply: ${applied.status} ${await applied.text()}`);
  const created = await fetch(`${url}/api/2.0/mlflow/experiments/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'chaos' }),
  });
  const body = (await created.json()) as { experiment_id?: string };
  if (!body.experiment_id) throw new Error(`experiments/create: ${created.status} ${JSON.stringify(body)}`);
  await sourceReady(url);
  return body.experiment_id;
}

/** The source's topic and table exist once the features service has folded its definition. */
async function sourceReady(url: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const response = await fetch(`${url}/api/v1/sources/chaos/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '',
    });
    if (response.status !== 404 && response.status < 500) return;
    if (Date.now() > deadline) throw new Error(`source chaos is not ready: ${response.status} ${await response.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
