import { DataType, writeModel } from '@millrace/onnx';
import { openSession } from '@millrace/onnx/runtime';
import type { InferenceSession } from 'onnxruntime-node';
import { parentPort } from 'node:worker_threads';
import { isRefusal, Refusal } from '../domain/refusal.js';
import { servableModel, type ModelFiles, type ServableModel } from '../models/servable-model.js';
import { runSession } from './ort-session.js';
import { movable, type ThreadFailure, type ThreadReply, type ThreadRequest, type Trial } from './session-protocol.js';
import { mixesRows } from './row-mixing.js';
import { warmUpInputs } from './warm-up.js';

// The program of a worker thread that holds one session: it checks, loads, tries and runs a graph, so that the service's
// event loop does none of it.

/** Runs of a warm-up at most, and the time after which no further one is begun. */
const WARM_UP_RUNS = 9;
const WARM_UP_MS = 200;

const port = parentPort;
if (!port) throw new Error('session-worker is the program of a worker thread');

let prepared: { readonly label: string; readonly model: ServableModel } | undefined;
let session: InferenceSession | undefined;
let graph: Uint8Array | undefined;
/** The runtime's calls are asynchronous in form only; one after the other keeps the replies in the order of the requests. */
let last: Promise<void> = prepareRuntime();

port.on('message', (request: ThreadRequest) => {
  last = last.then(() => answer(request));
});

/** The first session of a process sets the runtime up, which takes longer than most graphs: that must not count as a graph's time. */
async function prepareRuntime(): Promise<void> {
  const type = { tensorType: { elemType: DataType.FLOAT, shape: { dim: [{ dimValue: 1 }] } } };
  const node = [{ opType: 'Identity', name: 'y', input: ['x'], output: ['y'] }];
  const nothing = { name: 'nothing', input: [{ name: 'x', type }], output: [{ name: 'y', type }], node };
  const opened = await openSession(writeModel({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph: nothing }));
  await opened.release();
}

async function answer(request: ThreadRequest): Promise<void> {
  try {
    const { value, moves } = await perform(request);
    reply({ id: request.id, ok: true, value }, moves);
  } catch (error) {
    reply({ id: request.id, ok: false, failure: failureOf(error) }, []);
  }
}

interface Done {
  readonly value: Extract<ThreadReply, { ok: true }>['value'];
  readonly moves: readonly ArrayBuffer[];
}

async function perform(request: ThreadRequest): Promise<Done> {
  switch (request.kind) {
    case 'prepare':
      return { value: prepare(request.label, request.files), moves: [] };
    case 'open':
      return { value: await open(), moves: [] };
    case 'run': {
      if (!session) throw new Error('no session is open');
      const value = await runSession(session, request.inputs, request.outputs);
      return { value, moves: movable(value.outputs.map((output) => output.data)) };
    }
    case 'give-back': {
      const bytes = graph;
      await session?.release();
      session = undefined;
      graph = undefined;
      return { value: bytes, moves: bytes ? movable([bytes]) : [] };
    }
    case 'keep':
      graph = undefined;
      return { value: undefined, moves: [] };
  }
}

function prepare(label: string, files: ModelFiles): number {
  const { buffer, byteOffset, byteLength } = files.graph;
  // As a Buffer the weights are looked at where they lie; from other arrays the decoder copies them.
  const model = servableModel(label, { ...files, graph: Buffer.from(buffer, byteOffset, byteLength) });
  prepared = { label, model };
  return model.bytes.byteLength;
}

async function open(): Promise<Trial> {
  if (!prepared) throw new Error('no graph is prepared');
  const { label, model } = prepared;
  prepared = undefined;
  const started = performance.now();
  try {
    session = await openSession(model.bytes);
  } catch (error) {
    throw new Refusal('MR_INFERENCE_UNSERVABLE', `${label}: the runtime cannot load it: ${messageOf(error)}`, { cause: error });
  }
  const openMs = performance.now() - started;
  graph = model.bytes;
  const { inputs, outputs, features, stripped, widened } = model;
  const signature = { inputs, outputs, features, stripped, widened };
  return { ...signature, graphBytes: model.bytes.byteLength, openMs, ...(await warmUp(session, model)) };
}

async function warmUp(opened: InferenceSession, model: ServableModel): Promise<Pick<Trial, 'warmUpMs' | 'warmUpError' | 'mixesRows'>> {
  const inputs = warmUpInputs(model.inputs);
  if (!inputs) return { warmUpMs: [], warmUpError: undefined, mixesRows: false };
  const names = model.outputs.map((output) => output.name);
  const times: number[] = [];
  try {
    for (const started = performance.now(); times.length < WARM_UP_RUNS && performance.now() - started < WARM_UP_MS;)
      times.push((await runSession(opened, inputs, names)).computeMs);
  } catch (error) {
    return { warmUpMs: [], warmUpError: messageOf(error), mixesRows: false };
  }
  const isMixing = await mixesRows(model.inputs, model.outputs, async (rows) => (await runSession(opened, rows, names)).outputs);
  // Where time allowed for one run only, that one has to do.
  return { warmUpMs: times.length > 1 ? times.slice(1) : times, warmUpError: undefined, mixesRows: isMixing };
}

function reply(message: ThreadReply, moves: readonly ArrayBuffer[]): void {
  try {
    port?.postMessage(message, [...moves]);
  } catch {
    // Memory that the runtime owns may not be moved: then it is copied.
    port?.postMessage(message);
  }
}

function failureOf(error: unknown): ThreadFailure {
  return { code: isRefusal(error) ? error.code : undefined, message: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
