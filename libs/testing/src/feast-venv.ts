import { ensureVenv, type Venv } from './python-venv.js';

/** The Feast that is spoken to and measured beside. */
export const FEAST = '0.66.0';

/** Feast's client and server, and its Redis store. */
export function feastVenv(): Promise<Venv> {
  return ensureVenv(`feast-${FEAST}`, [`feast[redis]==${FEAST}`, 'pandas==2.3.3', 'setuptools==75.8.0']);
}
