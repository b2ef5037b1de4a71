import { status as Grpc } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { bootstrap, loadConfig, type RunningService } from '@millrace/service';
import { runCommand, tempDir, type TempDir } from '@millrace/testing';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceModule, inferenceConfig } from './index.js';
import { grpcCredentials } from './api/oip/grpc/grpc-tls.js';
import { GrpcClient } from './testing/grpc-client.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function directoryOf(name: string): Promise<TempDir> {
  const directory = await tempDir(name);
  ends.push(() => directory.remove());
  return directory;
}

/** A self-made certificate for localhost, which is its own authority: `<name>.pem` and `<name>.key`. */
async function certificate(directory: TempDir, name: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = [join(directory.path, `${name}.pem`), join(directory.path, `${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '2'];
  await runCommand('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-out',
    cert,
    '-keyout',
    key,
    ...subject,
  ]);
  return { cert, key };
}

async function start(directory: TempDir, settings: Record<string, string>): Promise<RunningService> {
  const environment = {
    ...{ MILLRACE_DATA_DIR: join(directory.path, 'data'), MILLRACE_PORT: '0', MILLRACE_CLICKHOUSE_PORT: '0', MILLRACE_GRPC_PORT: '0' },
    ...{ MILLRACE_LOG_LEVEL: 'fatal', ...settings },
  };
  const service = await bootstrap(InferenceModule, loadConfig([inferenceConfig], environment));
  ends.push(() => service.close());
  return service;
}

async function isLive(service: RunningService, tls?: { ca: string; cert?: string; key?: string }): Promise<number> {
  const read = async (path: string | undefined): Promise<Buffer | null> => (path === undefined ? null : readFile(path));
  const address = (service.app.get(InferenceModule).grpcAddress as string).replace(/^.*:/, 'localhost:');
  const client = new GrpcClient(
    address,
    tls && { ca: (await read(tls.ca)) as Buffer, cert: await read(tls.cert), key: await read(tls.key) },
  );
  const { code } = await client.call('ServerLive', {}, { deadline: Date.now() + 10_000 });
  client.close();
  return code;
}

describe('TLS of the gRPC port', () => {
  test('is spoken with the certificate that is named, to those who trust it', async () => {
    const directory = await directoryOf('grpc-tls');
    const { cert, key } = await certificate(directory, 'server');
    const stranger = await certificate(directory, 'stranger');
    const service = await start(directory, { MILLRACE_GRPC_TLS_CERT: cert, MILLRACE_GRPC_TLS_KEY: key });
    expect(await isLive(service, { ca: cert })).toBe(Grpc.OK);
    expect(await isLive(service, { ca: stranger.cert })).toBe(Grpc.UNAVAILABLE);
    expect(await isLive(service)).toBe(Grpc.UNAVAILABLE);
  }, 60_000);

  test('is mutual where the clients’ authorities are named', async () => {
    const directory = await directoryOf('grpc-mutual');
    const [server, client, stranger] = [
      await certificate(directory, 'server'),
      await certificate(directory, 'client'),
      await certificate(directory, 'stranger'),
    ];
    const settings = { MILLRACE_GRPC_TLS_CERT: server.cert, MILLRACE_GRPC_TLS_KEY: server.key, MILLRACE_GRPC_TLS_CLIENT_CA: client.cert };
    const service = await start(directory, settings);
    expect(await isLive(service, { ca: server.cert, ...client })).toBe(Grpc.OK);
    expect(await isLive(service, { ca: server.cert })).toBe(Grpc.UNAVAILABLE);
    expect(await isLive(service, { ca: server.cert, ...stranger })).toBe(Grpc.UNAVAILABLE);
  }, 60_000);

  test('takes a certificate that was exchanged without a restart; a pair that does not fit leaves the old one', async () => {
    const directory = await directoryOf('grpc-exchange');
    const [first, second] = [await certificate(directory, 'first'), await certificate(directory, 'second')];
    const [cert, key] = [join(directory.path, 'tls.pem'), join(directory.path, 'tls.key')];
    await copyFile(first.cert, cert);
    await copyFile(first.key, key);
    const looks: (() => void)[] = [];
    const told: string[] = [];
    const scheduler = { after: (_ms: number, look: () => void) => (looks.push(look), () => undefined) };
    const observer = { exchanged: () => void told.push('exchanged'), kept: (error: unknown) => void told.push((error as Error).message) };
    const look = (): void => looks.shift()?.();
    const { isSecure } = grpcCredentials({ files: { cert, key, clientCa: undefined }, scheduler: scheduler, observer });
    expect(isSecure).toBe(true);
    look();
    await copyFile(second.cert, cert);
    look();
    await copyFile(second.key, key);
    look();
    expect(told).toEqual([expect.stringContaining(`${key} is not the key of the certificate ${cert}`), 'exchanged']);
    expect(looks.length).toBe(1);
  }, 60_000);

  test.each<[string, (directory: TempDir) => Promise<Record<string, string>>, RegExp]>([
    [
      'a file that is not there',
      async (at) => ({ ...(await pair(at)), MILLRACE_GRPC_TLS_CERT: '/nowhere/tls.pem' }),
      /MILLRACE_GRPC_TLS_CERT names a file that cannot be read: .*ENOENT.*nowhere/,
    ],
    [
      'a file that is no certificate',
      async (at) => ({ ...(await pair(at)), MILLRACE_GRPC_TLS_CERT: await garbage(at) }),
      /MILLRACE_GRPC_TLS_CERT: .*garbage is not a certificate in PEM/,
    ],
    [
      'a file that is no key',
      async (at) => ({ ...(await pair(at)), MILLRACE_GRPC_TLS_KEY: await garbage(at) }),
      /MILLRACE_GRPC_TLS_KEY: .*garbage is not a private key/,
    ],
    [
      'another key',
      async (at) => ({ ...(await pair(at)), MILLRACE_GRPC_TLS_KEY: (await certificate(at, 'other')).key }),
      /other.key is not the key of the certificate/,
    ],
    [
      'authorities that are none',
      async (at) => ({ ...(await pair(at)), MILLRACE_GRPC_TLS_CLIENT_CA: await garbage(at) }),
      /MILLRACE_GRPC_TLS_CLIENT_CA: .*garbage is not a certificate/,
    ],
    [
      'a certificate without its key',
      async (at) => ({ MILLRACE_GRPC_TLS_CERT: (await certificate(at, 'a')).cert }),
      /MILLRACE_GRPC_TLS_CERT and MILLRACE_GRPC_TLS_KEY go together/,
    ],
    [
      'authorities without a certificate',
      async (at) => ({ MILLRACE_GRPC_TLS_CLIENT_CA: (await certificate(at, 'a')).cert }),
      /MILLRACE_GRPC_TLS_CLIENT_CA is set, so MILLRACE_GRPC_TLS_CERT/,
    ],
  ])(
    '%s keeps the service from starting',
    async (_what, settingsIn, message) => {
      const directory = await directoryOf('grpc-refused');
      const settings = await settingsIn(directory);
      await expect(start(directory, settings)).rejects.toThrow(message);
    },
    60_000,
  );
});

async function pair(directory: TempDir): Promise<Record<string, string>> {
  const { cert, key } = await certificate(directory, 'server');
  return { MILLRACE_GRPC_TLS_CERT: cert, MILLRACE_GRPC_TLS_KEY: key };
}

async function garbage(directory: TempDir): Promise<string> {
  const path = join(directory.path, 'garbage');
  await writeFile(path, 'no PEM');
  return path;
}
