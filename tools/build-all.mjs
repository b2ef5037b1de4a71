// `npm run build`: every project's dist/, in dependency order, from nx's cache where nothing changed.
import { build, install } from './setup.mjs';

await install();
await build();
