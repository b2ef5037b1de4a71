import type { Readable } from 'node:stream';
import type { MultipartUploads } from './multipart.js';

export interface ArtifactInfo {
  /** Path below the store's root, `/`-separated, no leading slash. */
  readonly path: string;
  readonly isDirectory: boolean;
  /** Bytes; 0 for a directory. */
  readonly size: number;
}

export interface StoredArtifact {
  readonly path: string;
  readonly size: number;
  /** Lower-case hex SHA-256 of the bytes as they arrived. */
  readonly sha256: string;
}

/** Bytes of a file from `start` to `end`, both counted from 0 and both included; they lie within the file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Files by path: model files, training sets, run artifacts. Paths are relative, `/`-separated; `..`, empty segments, backslashes,
 * control characters and absolute paths are refused with `MR_ARTIFACT_PATH`. A file appears whole or not at all.
 * One contract suite (`artifactStoreContract`) holds for every adapter.
 */
export interface ArtifactStore {
  /** Streams a file in; replaces what was there. */
  put(path: string, body: Readable | Buffer): Promise<StoredArtifact>;
  /** Streams a file out, or some of its bytes. Throws `MR_ARTIFACT_NOT_FOUND`. */
  get(path: string, range?: ByteRange): Promise<Readable>;
  stat(path: string): Promise<ArtifactInfo | undefined>;
  /** Direct children of a directory, by path; empty when there is none. */
  list(directory: string): Promise<readonly ArtifactInfo[]>;
  /** Removes a file, or a directory with all below it. Removing what is not there is no error. */
  remove(path: string): Promise<void>;
  readonly multipart: MultipartUploads;
  /** A URL by which anybody can read or write the file for so many seconds without this process; absent where the store has none to give. */
  signedUrl?(method: 'GET' | 'PUT', path: string, seconds: number): Promise<string>;
  /** The URI under which others name this path: `file:///…` or `s3://…`. */
  uri(path: string): string;
  ping(): Promise<void>;
  /** Why uploads fail or soon will, while all else goes on, in words; nothing while there is no trouble. Absent where it cannot be told. */
  shortage?(): Promise<string | undefined>;
}
