import type { EdgeManifest } from '@millrace/edge';
import { directoryDigest } from '@millrace/model-signing';
import { portableGraph, type PortableGraph, type TensorSignature } from '@millrace/onnx';
import { createHash } from 'node:crypto';
import type { MillraceClient } from '../client.js';
import { CliError, EXIT } from '../cli-error.js';
import { runnerFiles, runtimeOf, type ExportTarget } from '../export/runner-files.js';
import { tryModel } from '../export/try-model.js';
import { checkFolder, writeExport } from '../export/write-export.js';
import type { Io } from '../io.js';
import { resolveVersion, type VersionReference } from '../optimize/model-reference.js';
import { readVersion } from '../optimize/version-files.js';
import { resourcePath } from './resource.js';

export interface ExportModelOptions {
  readonly target: ExportTarget;
  readonly to: string;
  readonly force?: boolean;
  readonly platform?: string;
  readonly deployment?: string;
  readonly queueLimit: string;
  readonly output: string;
}

/** Predictions of one upload. */
const UPLOAD_BATCH = 200;
const MOST_QUEUED = 1_000_000;

/** Writes a folder in which a version runs without the platform: graph, manifest and runner. A model the runtime there cannot run is refused. */
export async function exportModel(client: MillraceClient, io: Io, reference: string, options: ExportModelOptions): Promise<void> {
  const limit = Number(options.queueLimit);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MOST_QUEUED))
    throw new CliError(`--queue-limit ${options.queueLimit} is not a number from 1 to ${MOST_QUEUED}`, EXIT.usage);
  const upload = uploadOf(client, options);
  await checkFolder(options.to, options.force ?? false);
  const version = await resolveVersion(client, reference);
  if (options.deployment !== undefined) await client.json('GET', resourcePath('Deployment', options.deployment));
  const { files, bytes } = await readVersion(client, io, version);
  const digest = directoryDigest([...files].map(([name, file]) => ({ name, sha256: sha256(file) })));
  await checkDigest(client, version, digest);
  const graph = portableGraph(bytes);
  if (graph.kind === 'rejected') throw new CliError(`${version.name} version ${version.version}: ${graph.rejection.message}`, EXIT.found);
  const manifest: EdgeManifest = {
    ...manifestOf(graph, options.target),
    exportedAt: new Date().toISOString(),
    model: { ...version, digest, deployment: options.deployment ?? null },
    runtime: await runtimeOf(options.target),
    queue: { limit },
    upload,
  };
  await tryModel(manifest, graph.bytes, graph.signature);
  const written = await runnerFiles(options.target);
  written.set('model.onnx', graph.bytes);
  written.set(
    'manifest.json',
    new TextEncoder().encode(`${JSON.stringify({ $schema: './manifest.schema.json', ...manifest }, null, 2)}\n`),
  );
  await writeExport(options.to, written);
  if (options.output === 'json') io.out(`${JSON.stringify(manifest, null, 2)}\n`);
  else tell(io, manifest, options.to);
}

function manifestOf(
  graph: PortableGraph,
  target: ExportTarget,
): Omit<EdgeManifest, 'exportedAt' | 'model' | 'runtime' | 'queue' | 'upload'> {
  const { bytes, irVersion, opsets, operators, changes, signature, columns, classes } = graph;
  const tensor = ({ name, datatype, shape }: TensorSignature) => ({ name, datatype, shape: shape ?? null });
  return {
    format: 1,
    target,
    graph: { file: 'model.onnx', sha256: sha256(bytes), bytes: bytes.length, irVersion, opsets, operators, changes },
    inputs: signature.inputs.map(tensor),
    outputs: signature.outputs.map(tensor),
    preprocessing: { columns: columns ?? null, missing: 'NaN' },
    postprocessing: { classes },
  };
}

function uploadOf(client: MillraceClient, { platform, target }: ExportModelOptions): EdgeManifest['upload'] {
  if (platform === 'none') return null;
  if (platform === 'same-origin') {
    if (target === 'node') throw new CliError('--platform same-origin is of pages; give --target node the address', EXIT.usage);
    return { url: null, batch: UPLOAD_BATCH };
  }
  const url = URL.parse(platform ?? client.server);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new CliError(`--platform ${platform} is not a URL such as https://millrace.example.com, same-origin or none`, EXIT.usage);
  if (url.username !== '' || url.password !== '')
    throw new CliError('--platform holds a password, which everybody could read in manifest.json; give the address without it', EXIT.usage);
  return { url: url.href, batch: UPLOAD_BATCH };
}

/** The bytes have to be those that were registered, or the platform would not take what is told about them. */
async function checkDigest(client: MillraceClient, { name, version }: VersionReference, digest: string): Promise<void> {
  const card = await client.json<{ digest?: string | null }>(
    'GET',
    `/api/v1/models/${encodeURIComponent(name)}/versions/${version}/card?format=json`,
  );
  if (typeof card.digest === 'string' && card.digest !== digest)
    throw new CliError(
      `${name} version ${version}: its artifact has changed since it was registered (SHA-256 ${digest}, registered ${card.digest})`,
      EXIT.refused,
    );
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function tell(io: Io, { target, model, graph, runtime, upload }: EdgeManifest, folder: string): void {
  io.out(`${model.name} version ${model.version} written to ${folder} for ${runtime.package} ${runtime.version}\n`);
  for (const change of graph.changes) io.out(`  ${change}\n`);
  if (!upload) io.out('predictions are kept there and not sent\n');
  else io.out(`predictions are sent to ${upload.url ?? 'the address of the page'}\n`);
  if (target === 'web') io.out(`serve it over https, or here: npx http-server ${folder}\n`);
  else io.out(`there: npm install, then node run.mjs --upload < rows.jsonl\n`);
}
