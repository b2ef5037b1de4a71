import { TOPICS } from '@millrace/contracts';
import { tableBarrier } from '@millrace/service';
import { featuresConfig } from '../config.js';
import type { FeaturesHost } from '../features.runtime.js';
import { decodeRead, readRows, READS_TABLE } from '../projections/feature-reads.projection.js';
import { ReadLog } from './read-log.js';

export interface OpenedReadLog {
  readonly readLog: ReadLog;
  /** Resolves when the table of reads holds what is on the log now. */
  readonly waitForReads: (deadlineMs: number) => Promise<void>;
}

/** Opens the log of reads, and projects it into its table. */
export async function openReadLog(host: FeaturesHost): Promise<OpenedReadLog> {
  const { topics, facts, tables, lifecycle, log, offline, scheduler, clock, metrics, logger } = host;
  const { name } = TOPICS.featureReads;
  await topics.ensure(TOPICS.featureReads);
  await tables.add({ name: 'features.reads', topic: name, table: READS_TABLE, shared: true, decode: decodeRead, toRows: readRows });
  const readLog = new ReadLog({
    append: (topic, batch) => facts.append(topic, batch),
    capacity: host.config.of(featuresConfig).maxBufferedVectors,
    scheduler,
    observer: {
      shed: (vectors) => metrics.readsShed.inc(vectors),
      retried: (error) => logger.warn({ err: error, facts: 'reads' }, 'the log did not take the records; trying again'),
    },
  });
  lifecycle.add('projections', 'features.reads.log', () => readLog.close());
  return {
    readLog,
    waitForReads: async (deadlineMs) => {
      await tableBarrier({ log, store: offline, scheduler, now: () => clock.now() }, name, READS_TABLE, deadlineMs);
    },
  };
}
