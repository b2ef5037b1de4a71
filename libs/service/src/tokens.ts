/**
 * Injection tokens for what the kit opens. The values behind them are typed by the ports: `EVENT_LOG` is an `EventLog`,
 * `ONLINE_STORE` an `OnlineStore`, `OFFLINE_STORE` an `OfflineStore`, `ARTIFACT_STORE` an `ArtifactStore`, `CLOCK`, `IDS` and
 * `SCHEDULER` the kernel's, `CONFIG` a `Config`, `LOGGER` a pino `Logger`, `METRICS` a prom-client `Registry`.
 */
export const EVENT_LOG = Symbol.for('millrace.EVENT_LOG');
export const ONLINE_STORE = Symbol.for('millrace.ONLINE_STORE');
export const OFFLINE_STORE = Symbol.for('millrace.OFFLINE_STORE');
export const ARTIFACT_STORE = Symbol.for('millrace.ARTIFACT_STORE');
export const CLOCK = Symbol.for('millrace.CLOCK');
export const IDS = Symbol.for('millrace.IDS');
export const SCHEDULER = Symbol.for('millrace.SCHEDULER');
export const CONFIG = Symbol.for('millrace.CONFIG');
export const LOGGER = Symbol.for('millrace.LOGGER');
export const METRICS = Symbol.for('millrace.METRICS');
