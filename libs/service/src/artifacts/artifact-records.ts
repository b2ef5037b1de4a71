import type { ArtifactStore } from '@millrace/artifact-store';
import { factReader, TOPICS, type tracking } from '@millrace/contracts';
import { factDecoder, type LoggedFact } from '@millrace/event-log';
import { migrate, type OfflineStore, type TableProjection } from '@millrace/offline-store';
import type { Facts } from '../log/facts.js';
import type { TableProjections } from '../log/table-projections.js';
import { RecordingStore } from './recording-store.js';

/** What a file's bytes were when it was written last. */
export interface RecordedFile {
  readonly path: string;
  readonly sha256: string | null;
  readonly size: number | null;
  /** Milliseconds since the epoch. */
  readonly uploadedAt: number;
}

export interface ArtifactRecordsOptions {
  readonly tables: TableProjections;
  readonly offline: OfflineStore;
  readonly facts: Facts;
  readonly queryDeadlineMs: number;
}

type Uploaded = LoggedFact<tracking.ArtifactUploaded>;

const TOPIC = TOPICS.artifacts.name;
/** Who registers a model asks for its files right after they were uploaded, maybe in another process. */
const MAX_AGE_MS = 100;

/**
 * The digests of what clients have written to the artifact store: on the log as facts, and in a table by path. Whoever opens it in a process
 * shares the one projection with the others.
 */
export class ArtifactRecords {
  private constructor(
    private readonly options: ArtifactRecordsOptions,
    private readonly table: TableProjection<Uploaded>,
  ) {}

  static async open(options: ArtifactRecordsOptions): Promise<ArtifactRecords> {
    await migrate(options.offline, { name: 'artifacts', directory: new URL('./migrations/', import.meta.url) });
    const table = await options.tables.add<Uploaded>({
      name: 'tracking.artifacts',
      topic: TOPIC,
      table: 'millrace.artifact_uploads',
      shared: true,
      maxAgeMs: MAX_AGE_MS,
      decode,
      toRows: ({ value: { event, data } }) => ({ ...data, time: event.time }),
    });
    return new ArtifactRecords(options, table);
  }

  /** The store, with every write told to the log. */
  recording(store: ArtifactStore): ArtifactStore {
    return new RecordingStore(store, async (data) => {
      const fact = { key: data.path, type: 'ArtifactUploaded', domain: 'tracking', subject: `artifact/${data.path}`, data };
      await this.options.facts.append(TOPIC, [fact]);
    });
  }

  /** What is recorded of a file, or of the files below a directory, up to this moment. */
  async of(root: string): Promise<RecordedFile[]> {
    await this.table.barrier(this.options.queryDeadlineMs);
    const rows = await this.options.offline.query<{ path: string; sha256: string | null; size: string | null; at: string }>(
      `SELECT path, sha256, size, toUnixTimestamp64Milli(time) AS at FROM millrace.artifact_uploads
       WHERE path = {root:String} OR startsWith(path, {below:String}) ORDER BY path, _offset DESC LIMIT 1 BY path`,
      { root, below: root === '' ? '' : `${root}/` },
    );
    return rows.map(({ path, sha256, size, at }) => ({
      path,
      sha256,
      size: size === null ? null : Number(size),
      uploadedAt: Number(at),
    }));
  }
}

const decode = factDecoder(factReader<tracking.ArtifactUploaded>('tracking', 'ArtifactUploaded'));
