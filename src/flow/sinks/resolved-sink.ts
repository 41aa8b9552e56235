import type { RedisAddress } from '../../ledger/redis/redis-address.ts';
import type { SinkSettings } from '../../contract/sinks.ts';

/** A sink with its files read, as its process gets it. Holds secrets: never log it. */
export interface ResolvedSink {
  readonly settings: SinkSettings;
  readonly tls?: ResolvedTls;
  /** Password, token or key of the one whom the receiver knows. */
  readonly secret?: string;
  readonly redis?: RedisAddress;
  /** A file that only the user who writes it may be able to touch: nobody else can write in its directory. */
  readonly isGuarded?: true;
}

export interface ResolvedTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly pinnedCertificates?: readonly string[];
}
