import type { Migrations } from './migrations.js';

/** The tables all domains share; run them before any domain's own. */
export const offlineStoreMigrations: Migrations = { name: 'offline-store', directory: new URL('./migrations/', import.meta.url) };
