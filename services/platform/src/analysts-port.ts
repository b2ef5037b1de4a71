import { startClickHouseHttp } from '@millrace/clickhouse-http';
import { Fault } from '@millrace/kernel';
import { ChdbOfflineStore, DATABASE, type OfflineStore } from '@millrace/offline-store';
import { Access, CONFIG, isLocalName, Lifecycle, LOGGER, OFFLINE_STORE, type Config, type Host } from '@millrace/service';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

/**
 * ClickHouse's HTTP interface over the embedded offline store, read-only, so that analysts' tools work without a server. With a
 * ClickHouse server there is nothing to do: they go to the server.
 */
@Injectable()
export class AnalystsPort implements OnApplicationBootstrap {
  /** Where analysts connect. */
  url: string | undefined;

  constructor(
    @Inject(OFFLINE_STORE) private readonly offline: OfflineStore,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Host['logger'],
    @Inject(Lifecycle) private readonly lifecycle: Lifecycle,
    @Inject(Access) private readonly access: Access,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { offline, config } = this;
    if (!(offline instanceof ChdbOfflineStore)) {
      this.url = config.clickhouseUrl;
      return;
    }
    const { clickhousePort: port, host } = config;
    try {
      const server = await startClickHouseHttp({
        ...{ session: offline.session, port, host, readOnly: true, defaultDatabase: DATABASE },
        ...(this.access.isRequired ? { admit: (caller) => this.#refusal(caller) } : {}),
        ...(this.access.settings.isOpenHereOnly ? { admit: ({ host: name }) => Promise.resolve(nameRefusal(name)) } : {}),
      });
      this.lifecycle.add('servers', 'analysts’ port', () => server.close());
      this.url = server.url;
      this.logger.info({ url: server.url }, 'ClickHouse HTTP for analysts is listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      const message = `port ${port} of ${host} is taken by another process (a ClickHouse server?); stop that one, or set MILLRACE_CLICKHOUSE_PORT`;
      throw new Fault('MR_PORT_IN_USE', message, false, { cause: error });
    }
  }

  /** Every role reads. The key is the password of whichever user, `X-ClickHouse-Key`, or a bearer token; the reason why it does not open. */
  async #refusal({ password, authorization }: { password: string; authorization: string | undefined }): Promise<string | undefined> {
    try {
      await (authorization === undefined ? this.access.identifySecret(password) : this.access.identify(authorization));
      return undefined;
    } catch (error) {
      if (error instanceof Error) return error.message;
      throw error;
    }
  }
}

/** While nobody is asked: a page of another site may have had its name changed to this machine's address. */
function nameRefusal(host: string | undefined): string | undefined {
  if (isLocalName(host)) return undefined;
  return `${host} is no name of this machine, and it asks nobody who they are; ask by localhost or an address, or set MILLRACE_AUTH`;
}
