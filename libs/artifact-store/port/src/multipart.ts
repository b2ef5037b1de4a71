import type { Readable } from 'node:stream';

export interface UploadedPart {
  /** 1, 2, 3 …: the parts' order in the file. */
  readonly partNumber: number;
  /** What the store answered to the part. */
  readonly etag: string;
}

/** The most parts a file may be sent in: S3's bound. */
export const MOST_PARTS = 10_000;

/**
 * Files that arrive in parts, several at a time and in any order, from a client that may begin a part again. The file appears when the upload
 * is completed. An upload that nobody completes or aborts is swept some day.
 */
export interface MultipartUploads {
  /** Begins an upload to a path and returns its id, which nobody can guess. */
  create(path: string): Promise<string>;
  /** A URL to which a client can PUT the part without this process; absent where the store has none to give. */
  partUrl?(path: string, uploadId: string, partNumber: number): Promise<string>;
  /** Takes a part; the same number again replaces it. Returns its etag. */
  putPart(path: string, uploadId: string, partNumber: number, body: Readable): Promise<string>;
  /** Makes the file of its parts. `MR_ARTIFACT_UPLOAD` when the upload is not there, or a part is missing or another. */
  complete(path: string, uploadId: string, parts: readonly UploadedPart[]): Promise<void>;
  /** Gives the upload up. One that is not there is no error. */
  abort(path: string, uploadId: string): Promise<void>;
}
