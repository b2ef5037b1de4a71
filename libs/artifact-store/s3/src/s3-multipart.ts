import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { fileSegments, type MultipartUploads, type UploadedPart } from '@millrace/artifact-store';
import { Fault } from '@millrace/kernel';

/** How long a client has to send a part after the upload was begun. */
const PART_SECONDS = 24 * 60 * 60;
/** What is held of one part that comes through this process. */
const MOST_PART_BYTES = 128 << 20;
const REFUSALS = new Set(['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']);

export interface S3MultipartOptions {
  readonly client: S3Client;
  readonly signer: S3Client;
  readonly bucket: string;
  readonly key: (segments: readonly string[]) => string;
  /** Runs a request and turns the service's answer into our faults. */
  readonly ask: <T>(path: string, send: () => Promise<T>) => Promise<T>;
}

/** S3's own multipart uploads; clients send the parts to S3 by URLs signed here. */
export class S3Multipart implements MultipartUploads {
  constructor(private readonly options: S3MultipartOptions) {}

  async create(path: string): Promise<string> {
    const { client, ask } = this.options;
    const { UploadId } = await ask(path, () => client.send(new CreateMultipartUploadCommand(this.#target(path))));
    if (UploadId === undefined) throw new Fault('MR_ARTIFACT_STORE', `S3 began an upload of ${path} without an id`, true);
    return UploadId;
  }

  partUrl(path: string, uploadId: string, partNumber: number): Promise<string> {
    const command = new UploadPartCommand({ ...this.#target(path), UploadId: uploadId, PartNumber: partNumber });
    return getSignedUrl(this.options.signer, command, { expiresIn: PART_SECONDS });
  }

  async putPart(path: string, uploadId: string, partNumber: number, body: Readable): Promise<string> {
    const chunks: Buffer[] = [];
    // A part is sent with its length; it is as large as a client makes it, and clients that can sign send it to S3 themselves.
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MOST_PART_BYTES)
        throw new Fault('MR_ARTIFACT_UPLOAD', `part ${partNumber} of ${path} is larger than ${MOST_PART_BYTES} bytes`, false);
      chunks.push(chunk);
    }
    const part = { ...this.#target(path), UploadId: uploadId, PartNumber: partNumber, Body: Buffer.concat(chunks) };
    const { ETag } = await this.#ask(path, () => this.options.client.send(new UploadPartCommand(part)));
    return ETag ?? '';
  }

  async complete(path: string, uploadId: string, parts: readonly UploadedPart[]): Promise<void> {
    const Parts = [...parts]
      .sort((a, b) => a.partNumber - b.partNumber)
      .map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag }));
    const command = new CompleteMultipartUploadCommand({ ...this.#target(path), UploadId: uploadId, MultipartUpload: { Parts } });
    await this.#ask(path, () => this.options.client.send(command));
  }

  async abort(path: string, uploadId: string): Promise<void> {
    try {
      await this.#ask(path, () => this.options.client.send(new AbortMultipartUploadCommand({ ...this.#target(path), UploadId: uploadId })));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'MR_ARTIFACT_UPLOAD') throw error;
    }
  }

  #target(path: string): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: this.options.key(fileSegments(path)) };
  }

  async #ask<T>(path: string, send: () => Promise<T>): Promise<T> {
    try {
      return await this.options.ask(path, send);
    } catch (error) {
      const cause = (error as { cause?: { name?: string; message?: string } }).cause;
      if (!cause?.name || !REFUSALS.has(cause.name)) throw error;
      throw new Fault('MR_ARTIFACT_UPLOAD', `the upload of ${path} was refused: ${cause.name} ${cause.message ?? ''}`, false, {
        cause: error,
      });
    }
  }
}
