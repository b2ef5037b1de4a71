import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileSegments, MOST_PARTS, type MultipartUploads, type UploadedPart } from '@millrace/artifact-store';
import { Fault } from '@millrace/kernel';
import { diskFaultOf } from './disk-fault.js';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Parts wait as files of their own in a folder per upload, beside the path they are for; completing streams them into one. */
export class FilesystemMultipart implements MultipartUploads {
  constructor(
    /** Where uploads grow. */
    private readonly incoming: string,
    private readonly put: (path: string, body: Readable) => Promise<unknown>,
  ) {}

  async create(path: string): Promise<string> {
    fileSegments(path);
    const uploadId = randomUUID();
    const folder = this.#folder(uploadId);
    try {
      await mkdir(folder);
      await writeFile(join(folder, 'path'), path);
    } catch (error) {
      throw diskFaultOf(this.incoming, error);
    }
    return uploadId;
  }

  async putPart(path: string, uploadId: string, partNumber: number, body: Readable): Promise<string> {
    const folder = await this.#opened(path, uploadId);
    if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > MOST_PARTS) {
      throw refused(`part number ${partNumber} is not from 1 to ${MOST_PARTS}`);
    }
    const draft = join(folder, `draft-${randomUUID()}`);
    const hash = createHash('sha256');
    const file = await open(draft, 'wx');
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        hash.update(chunk);
        await file.writeFile(chunk);
      }
    } catch (error) {
      await rm(draft, { force: true });
      throw diskFaultOf(this.incoming, error);
    } finally {
      await file.close();
    }
    const etag = `"${hash.digest('hex')}"`;
    // The etag is in the name: a part that is sent again while the upload is being completed cannot slip in.
    await rename(draft, join(folder, partName(partNumber, etag)));
    return etag;
  }

  async complete(path: string, uploadId: string, parts: readonly UploadedPart[]): Promise<void> {
    const folder = await this.#opened(path, uploadId);
    const inOrder = [...parts].sort((a, b) => a.partNumber - b.partNumber);
    if (inOrder.length === 0) throw refused(`the upload of ${path} has no parts`);
    if (inOrder.some((part, index) => part.partNumber !== index + 1)) {
      throw refused(
        `the parts of ${path} are numbered ${inOrder.map((part) => part.partNumber).join(', ')}; wanted are 1 to ${inOrder.length}`,
      );
    }
    await this.put(path, Readable.from(bytesOf(path, folder, inOrder), { objectMode: false }));
    await rm(folder, { recursive: true, force: true });
  }

  async abort(path: string, uploadId: string): Promise<void> {
    const folder = await this.#opened(path, uploadId).catch(() => undefined);
    if (folder) await rm(folder, { recursive: true, force: true });
  }

  #folder(uploadId: string): string {
    if (!ID.test(uploadId)) throw refused(`there is no upload ${uploadId.slice(0, 80)}`);
    return join(this.incoming, `parts-${uploadId}`);
  }

  /** The upload's folder; an id is good for the path it was given for only. */
  async #opened(path: string, uploadId: string): Promise<string> {
    const folder = this.#folder(uploadId);
    const target = await readFile(join(folder, 'path'), 'utf8').catch(() => undefined);
    if (target !== path) throw refused(`there is no upload ${uploadId} to ${path}; it was completed, aborted or never begun`);
    return folder;
  }
}

async function* bytesOf(path: string, folder: string, parts: readonly UploadedPart[]): AsyncGenerator<Buffer> {
  for (const { partNumber, etag } of parts) {
    try {
      for await (const chunk of createReadStream(join(folder, partName(partNumber, etag)))) yield chunk as Buffer;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
      throw refused(`part ${partNumber} of ${path} with the etag ${etag} was not sent`);
    }
  }
}

function partName(partNumber: number, etag: string): string {
  return `${partNumber}-${etag.replace(/[^0-9a-f]/g, '')}`;
}

function refused(why: string): Fault {
  return new Fault('MR_ARTIFACT_UPLOAD', why, false);
}
