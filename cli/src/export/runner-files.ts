import { createRequire } from 'node:module';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CliError, EXIT } from '../cli-error.js';

export type ExportTarget = 'web' | 'node';

/** Path in the export -> what it holds. */
export type ExportFiles = Map<string, Uint8Array>;

const RUNTIMES = { web: 'onnxruntime-web', node: 'onnxruntime-node' } as const;
/** Of onnxruntime-web, what the page loads: its module, and the WebAssembly with every operator of the CPU and what starts it. */
const WEB_RUNTIME = ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];

const edge = createRequire(createRequire(import.meta.url).resolve('@millrace/edge/package.json'));
const edgeDist = join(dirname(edge.resolve('@millrace/edge/package.json')), 'dist');

/** The package a target's model runs in, and the version this command has tried the model with. */
export async function runtimeOf(target: ExportTarget): Promise<{ readonly package: string; readonly version: string }> {
  const name = RUNTIMES[target];
  const { dependencies } = JSON.parse(await readFile(edge.resolve('@millrace/edge/package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>;
  };
  return { package: name, version: dependencies[name] as string };
}

/** Where the WebAssembly of onnxruntime-web lies. */
export function webRuntimeFolder(): URL {
  return pathToFileURL(`${dirname(edge.resolve('onnxruntime-web/wasm'))}${sep}`);
}

/** Everything of an export but the model and its manifest: the runner, and what it needs. */
export async function runnerFiles(target: ExportTarget): Promise<ExportFiles> {
  const files: ExportFiles = new Map();
  for (const room of ['core', target]) await addModules(files, room);
  if (target === 'web') await addWebRuntime(files);
  else addNodeProject(files, await runtimeOf(target));
  files.set('manifest.schema.json', await readFile(join(edgeDist, 'manifest.schema.json')));
  return files;
}

async function addModules(files: ExportFiles, room: string): Promise<void> {
  const folder = join(edgeDist, room);
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new CliError(`the runner is not built: ${folder} is missing; run \`npm run build\``, EXIT.found, { cause });
  });
  for (const name of names.filter((one) => one.endsWith('.js'))) {
    const code = await readFile(join(folder, name), 'utf8');
    files.set(`lib/${room}/${name}`, bytesOf(code.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n')));
  }
}

async function addWebRuntime(files: ExportFiles): Promise<void> {
  files.set('index.html', await readFile(join(edgeDist, 'web', 'index.html')));
  for (const name of WEB_RUNTIME) files.set(`ort/${name}`, await readFile(new URL(name, webRuntimeFolder())));
  files.set('ort/LICENSE', bytesOf(ONNXRUNTIME_LICENSE));
}

function addNodeProject(files: ExportFiles, runtime: { readonly package: string; readonly version: string }): void {
  const project = { private: true, type: 'module', engines: { node: '>=22' }, dependencies: { [runtime.package]: runtime.version } };
  files.set('package.json', bytesOf(`${JSON.stringify(project, null, 2)}\n`));
  files.set(
    '.npmrc',
    bytesOf(
      '# The CPU build is in the package; the libraries of CUDA would be a download beside it.\nonnxruntime-node-install-cuda=skip\n',
    ),
  );
  files.set('run.mjs', bytesOf("import './lib/node/main.js';\n"));
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The package brings none. */
const ONNXRUNTIME_LICENSE = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;
