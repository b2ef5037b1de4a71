/** A tensor of the exported graph. `shape` has -1 where a size is the caller's; `null`: the graph does not say. */
export interface EdgeTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[] | null;
}

/** `manifest.json` of an export, as `manifest.schema.json` beside it describes it. */
export interface EdgeManifest {
  readonly format: 1;
  readonly target: 'web' | 'node';
  readonly exportedAt: string;
  readonly model: {
    readonly name: string;
    readonly version: number;
    /** SHA-256 of the registered artifact; `null` when the registry has none. */
    readonly digest: string | null;
    /** The Deployment predictions are recorded under. */
    readonly deployment: string | null;
  };
  readonly graph: {
    readonly file: string;
    readonly sha256: string;
    readonly bytes: number;
    readonly irVersion: number;
    /** Domain -> version; the default domain is `ai.onnx`. */
    readonly opsets: Readonly<Record<string, number>>;
    readonly operators: readonly string[];
    /** What was done to the registered graph. */
    readonly changes: readonly string[];
  };
  readonly runtime: { readonly package: string; readonly version: string };
  readonly inputs: readonly EdgeTensor[];
  readonly outputs: readonly EdgeTensor[];
  readonly preprocessing: {
    /** Names of the only input's columns, in order; `null`: an input takes the feature of its own name. */
    readonly columns: readonly string[] | null;
    /** What a value of `null` becomes in inputs of floats; other inputs refuse it. */
    readonly missing: 'NaN';
  };
  readonly postprocessing: {
    /** Output -> what its columns stand for, in order. */
    readonly classes: Readonly<Record<string, readonly (string | number)[]>>;
  };
  readonly queue: { readonly limit: number };
  /** `null`: predictions are kept and never sent. `url` is `null` for the page's own address. */
  readonly upload: { readonly url: string | null; readonly batch: number } | null;
}

/** Reads a manifest; throws with the field that is not as it has to be. Written by people, too: a runner is given the file as it is. */
export function readManifest(value: unknown): EdgeManifest {
  const manifest = value as EdgeManifest;
  check(isObject(value), 'it is no object');
  check(manifest.format === 1, `format is ${JSON.stringify(manifest.format)}; this runner reads format 1`);
  check(
    isObject(manifest.model) && typeof manifest.model.name === 'string' && Number.isInteger(manifest.model.version),
    'model has no name and version',
  );
  check(isObject(manifest.graph) && /^[0-9a-f]{64}$/.test(manifest.graph.sha256), 'graph.sha256 is no SHA-256');
  check(typeof manifest.graph.file === 'string' && !/[/\\]/.test(manifest.graph.file), 'graph.file is no file beside the manifest');
  check(Array.isArray(manifest.inputs) && manifest.inputs.length > 0, 'inputs is no list of at least one');
  check(Array.isArray(manifest.outputs) && manifest.outputs.length > 0, 'outputs is no list of at least one');
  check(isObject(manifest.preprocessing) && isObject(manifest.postprocessing), 'preprocessing or postprocessing is missing');
  check(Number.isInteger(manifest.queue?.limit) && manifest.queue.limit > 0, 'queue.limit is no number from 1');
  check(manifest.upload === null || Number.isInteger(manifest.upload?.batch), 'upload.batch is no number');
  return manifest;
}

function check(holds: boolean, reason: string): void {
  if (!holds) throw new Error(`manifest.json: ${reason}`);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether the bytes are those the manifest names: `undefined` when that cannot be found out here, because browsers digest only on pages that are a
 * secure context (https, or this machine).
 */
export async function isGraphOf(manifest: EdgeManifest, bytes: Uint8Array<ArrayBuffer>): Promise<boolean | undefined> {
  // The types know secure contexts only.
  const { subtle } = crypto as { readonly subtle?: typeof crypto.subtle };
  if (!subtle) return undefined;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === manifest.graph.sha256;
}
