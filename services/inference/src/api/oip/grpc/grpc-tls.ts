import { experimental, ServerCredentials } from '@grpc/grpc-js';
import { Fault, type Scheduler } from '@millrace/kernel';
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** PEM files, as they are named in the settings. */
export interface GrpcTlsFiles {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Authorities that sign the clients' certificates; with it a client has to have one. */
  readonly clientCa: string | undefined;
}

export interface GrpcTlsOptions {
  readonly files: GrpcTlsFiles;
  readonly scheduler: Scheduler;
  readonly observer: { exchanged(validTo: string): void; kept(error: unknown): void };
}

/** What a server listens with, and how it stops to look after its files. */
export interface GrpcCredentials {
  readonly credentials: ServerCredentials;
  readonly isSecure: boolean;
  stop(): void;
}

interface Loaded {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
  readonly validTo: string;
}

const LOOK_EVERY_MS = 30_000;

/**
 * Credentials of the gRPC port: TLS where a certificate is named, mutual where the clients' authorities are. The files are looked at again and again:
 * one that was exchanged holds for new connections, and what cannot be used leaves the old one in place. Throws a fault that names the setting.
 */
export function grpcCredentials({ files, scheduler, observer }: GrpcTlsOptions): GrpcCredentials {
  if (files.cert === undefined || files.key === undefined) {
    return { credentials: ServerCredentials.createInsecure(), isSecure: false, stop: () => undefined };
  }
  const watched = new WatchedFiles(files.cert, files.key, files.clientCa);
  let cancel: (() => void) | undefined;
  const look = (): void => {
    try {
      const validTo = watched.look();
      if (validTo !== undefined) observer.exchanged(validTo);
    } catch (error) {
      observer.kept(error);
    }
    cancel = scheduler.after(LOOK_EVERY_MS, look);
  };
  cancel = scheduler.after(LOOK_EVERY_MS, look);
  const clients = files.clientCa === undefined ? null : watched;
  // Its declared parameter names are the wrong way round: the identity comes first.
  const credentials = experimental.createCertificateProviderServerCredentials(watched, clients, clients !== null);
  return { credentials, isSecure: true, stop: () => cancel?.() };
}

/** The files as they were last good. */
class WatchedFiles implements experimental.CertificateProvider {
  #loaded: Loaded;
  readonly #identities = new Set<experimental.IdentityCertificateUpdateListener>();
  readonly #authorities = new Set<experimental.CaCertificateUpdateListener>();

  constructor(
    private readonly cert: string,
    private readonly key: string,
    private readonly clientCa: string | undefined,
  ) {
    this.#loaded = this.#load();
  }

  /** Until when the certificate is valid, if the files were exchanged; throws where they cannot be used as they are now. */
  look(): string | undefined {
    const loaded = this.#load();
    const { cert, key, clientCa } = this.#loaded;
    if (loaded.cert.equals(cert) && loaded.key.equals(key) && (clientCa === undefined || loaded.clientCa?.equals(clientCa)))
      return undefined;
    this.#loaded = loaded;
    for (const listener of this.#authorities) this.#tellAuthorities(listener);
    for (const listener of this.#identities) this.#tellIdentity(listener);
    return loaded.validTo;
  }

  // Told in a later turn: who asks is not ready to hear before it has asked.
  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identities.add(listener);
    process.nextTick(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identities.delete(listener);
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorities.add(listener);
    process.nextTick(() => this.#tellAuthorities(listener));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorities.delete(listener);
  }

  #tellIdentity(listener: experimental.IdentityCertificateUpdateListener): void {
    listener({ certificate: this.#loaded.cert, privateKey: this.#loaded.key });
  }

  #tellAuthorities(listener: experimental.CaCertificateUpdateListener): void {
    const { clientCa } = this.#loaded;
    listener(clientCa === undefined ? null : { caCertificate: clientCa });
  }

  #load(): Loaded {
    const cert = read('MILLRACE_GRPC_TLS_CERT', this.cert);
    const key = read('MILLRACE_GRPC_TLS_KEY', this.key);
    const certificate = parsed('MILLRACE_GRPC_TLS_CERT', this.cert, 'a certificate', () => new X509Certificate(cert));
    const secret = parsed<KeyObject>('MILLRACE_GRPC_TLS_KEY', this.key, 'a private key without a passphrase', () => createPrivateKey(key));
    if (!certificate.checkPrivateKey(secret)) {
      const message = `MILLRACE_GRPC_TLS_KEY: ${this.key} is not the key of the certificate ${this.cert} (MILLRACE_GRPC_TLS_CERT)`;
      throw new Fault('MR_CONFIG', message, false);
    }
    const { clientCa: path } = this;
    const clientCa = path === undefined ? undefined : read('MILLRACE_GRPC_TLS_CLIENT_CA', path);
    if (clientCa) parsed('MILLRACE_GRPC_TLS_CLIENT_CA', path as string, 'a certificate', () => new X509Certificate(clientCa));
    return { cert, key, clientCa, validTo: certificate.validTo };
  }
}

function read(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Fault('MR_CONFIG', `${variable} names a file that cannot be read: ${messageOf(error)}`, false, { cause: error });
  }
}

function parsed<T>(variable: string, path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Fault('MR_CONFIG', `${variable}: ${path} is not ${what} in PEM (${messageOf(error)})`, false, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
