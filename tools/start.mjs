// `npm start`: installs, builds, then runs the platform embedded. Arguments after `--` go to the platform: --empty, --demo-and-exit.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, install, root, toolEnvironment } from './setup.mjs';

await install();
await build();
const platform = spawn('node', ['--enable-source-maps', join(root, 'services/platform/dist/main.js'), ...process.argv.slice(2)], {
  cwd: root,
  env: toolEnvironment(),
  stdio: 'inherit',
});
// The platform shuts down by itself on these; this process only waits, so that its exit code is the platform's.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => platform.kill(signal));
platform.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
