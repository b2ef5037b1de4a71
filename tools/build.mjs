// Transpiles one project's src/ to dist/ (types are checked by `npm run typecheck`, once for the whole house).
// Run by nx in the project's folder; also copies what is not TypeScript but belongs to the build (SQL, JSON, proto).
import { transformFile } from '@swc/core';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const project = process.cwd();
const source = join(project, 'src');
const target = join(project, 'dist');
const ASSETS = /\.(sql|json|proto|html|yaml)$/;

await rm(target, { recursive: true, force: true });
for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath, entry.name);
  const out = join(target, relative(source, file));
  if (/\.spec\.ts$/.test(entry.name) || entry.name.endsWith('.d.ts')) continue;
  if (ASSETS.test(entry.name)) {
    await mkdir(dirname(out), { recursive: true });
    await cp(file, out);
  } else if (entry.name.endsWith('.ts')) {
    const { code, map } = await transformFile(file, {
      configFile: join(import.meta.dirname, 'swc.json'),
      swcrc: false,
      sourceMaps: true,
      outputPath: out,
    });
    const js = out.replace(/\.ts$/, '.js');
    await mkdir(dirname(js), { recursive: true });
    await writeFile(js, `${code}\n//# sourceMappingURL=${entry.name.replace(/\.ts$/, '.js.map')}\n`);
    await writeFile(`${js}.map`, map);
  }
}
