import type { EdgeRequest } from '../core/edge-runner.js';
import type { EdgeManifest } from '../core/manifest.js';
import type { QueueCounts } from '../core/prediction-queue.js';
import type { UploadState } from '../core/uploader.js';
import { openEdgeModel } from './edge-model.js';

// The page of an export: a field for a row, its answer, and what has become of the answers. An application imports edge-model.js instead.

const KEY = 'millrace-api-key';

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const status = element('status');
const row = element<HTMLTextAreaElement>('row');
const answer = element('answer');
const key = element<HTMLInputElement>('key');
const predict = element<HTMLButtonElement>('predict');

function show(counts: QueueCounts, upload: UploadState | undefined): void {
  for (const [name, count] of Object.entries(counts)) element(name).textContent = String(count);
  element('upload').textContent = upload === undefined ? 'nothing is sent: manifest.json names no platform' : described(upload);
}

function described(upload: UploadState): string {
  if (upload.kind !== 'waiting') return upload.kind;
  return `${navigator.onLine ? '' : 'offline; '}next try at ${new Date(upload.retryAt).toLocaleTimeString()}: ${upload.reason}`;
}

/** A row to begin with, of zeros. */
function example({ inputs, preprocessing }: EdgeManifest): EdgeRequest {
  const names =
    preprocessing.columns ?? (inputs.every(({ shape }) => (shape?.[1] ?? 1) === 1) ? inputs.map(({ name }) => name) : undefined);
  if (names) return { features: Object.fromEntries(names.map((name) => [name, 0])) };
  const zeros = ({ shape }: EdgeManifest['inputs'][number]): number[] => {
    const width = (shape ?? [-1, 1]).slice(1).reduce((product, size) => product * Math.max(size, 1), 1);
    return new Array<number>(width).fill(0);
  };
  return { inputs: Object.fromEntries(inputs.map((input) => [input.name, zeros(input)])) };
}

try {
  key.value = sessionStorage.getItem(KEY) ?? '';
  const model = await openEdgeModel({ apiKey: () => (key.value === '' ? undefined : key.value), changed: show });
  const { name, version } = model.manifest.model;
  document.title = `${name} version ${version}`;
  element('title').textContent = document.title;
  status.textContent = model.isVerified
    ? 'The graph is the one that was exported.'
    : 'The graph is not verified: this page is no secure context (https, or this machine), so the browser does not digest.';
  row.value = JSON.stringify(example(model.manifest), null, 1);
  key.addEventListener('change', () => {
    sessionStorage.setItem(KEY, key.value);
    void model.upload();
  });
  element('send').addEventListener('click', () => void model.upload());
  element('form').addEventListener('submit', (event) => {
    event.preventDefault();
    void (async () => {
      try {
        answer.textContent = JSON.stringify(await model.predict(JSON.parse(row.value) as EdgeRequest), null, 1);
      } catch (error) {
        answer.textContent = error instanceof Error ? error.message : String(error);
      }
    })();
  });
  predict.disabled = false;
} catch (error) {
  status.textContent = error instanceof Error ? error.message : String(error);
}
