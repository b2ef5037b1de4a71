import { Predictor, type EdgeManifest, type EdgeSession } from '@millrace/edge';
import { randomRows, type ModelSignature } from '@millrace/onnx';
import { CliError, EXIT } from '../cli-error.js';
import { webRuntimeFolder } from './runner-files.js';

const SEED = 1;

/** Runs an exported graph here, in the very runtime that is to run it there; a model it cannot run is refused with the runtime's own reason. */
export async function tryModel(manifest: EdgeManifest, bytes: Uint8Array, signature: ModelSignature): Promise<void> {
  const { package: name, version } = manifest.runtime;
  let session: EdgeSession;
  try {
    session = await openSession(manifest, bytes);
  } catch (cause) {
    throw new CliError(`${name} ${version} does not load the model: ${messageOf(cause)}`, EXIT.found, { cause });
  }
  // A single row; without one that could be made up, that it loads has to do.
  const rows = randomRows(
    { inputs: signature.inputs.map((one) => ({ ...one, shape: one.shape && [-1, ...one.shape.slice(1)] })) },
    1,
    SEED,
  );
  if (!rows) return;
  const inputs = Object.fromEntries(
    rows.map((one) => [
      one.name,
      Array.from(one.data as Iterable<unknown>, (value) => (typeof value === 'bigint' ? Number(value) : value)),
    ]),
  );
  try {
    await new Predictor(manifest, session).predict({ inputs });
  } catch (cause) {
    throw new CliError(`${name} ${version} does not run the model: ${messageOf(cause)}`, EXIT.found, { cause });
  }
}

/** The runtimes are large: who asks for a list of keys does not load them. */
async function openSession(manifest: EdgeManifest, bytes: Uint8Array): Promise<EdgeSession> {
  if (manifest.target === 'node') return (await import('@millrace/edge/node-session')).openNodeSession(manifest, bytes);
  return (await import('@millrace/edge/web-session')).openWebSession(manifest, bytes, webRuntimeFolder());
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
