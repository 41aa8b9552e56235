import { X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { LedgerUnavailable } from '../../ledger/ledger.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import type { SinkSettings, SinkTls } from '../../contract/sinks.ts';
import type { ResolvedSink, ResolvedTls } from './resolved-sink.ts';

/** Files that `sinks` of the settings name cannot be used. `problems` are all of them, in sentences. */
export class SinkFilesError extends Error {
  override readonly name = 'SinkFilesError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Reads what sinks name, relative to `directory`, that of the settings file: the process that delivers may not.
 * @throws SinkFilesError with every file that is missing, is no certificate or key, or is a secret that all can read.
 */
export function resolveSinks(sinks: readonly SinkSettings[], directory: string): ResolvedSink[] {
  const problems: string[] = [];
  const resolved = sinks.map((settings): ResolvedSink => {
    const at = (path: string): string => (isAbsolute(path) ? path : resolve(directory, path));
    const read = (path: string | undefined, isSecret: boolean): string | undefined => {
      if (path === undefined) return undefined;
      try {
        if (isSecret && (statSync(at(path)).mode & 0o007) !== 0)
          problems.push(`sink ${settings.name}: ${at(path)} can be read by every user: chmod o= it`);
        return readFileSync(at(path), 'utf8');
      } catch (error) {
        const { code = 'unreadable' } = error as NodeJS.ErrnoException;
        problems.push(`sink ${settings.name}: ${at(path)} cannot be read (${code})`);
        return undefined;
      }
    };
    switch (settings.type) {
      case 'archive':
        return { settings };
      case 'detections': {
        const { places } = settings;
        if (places === undefined) return { settings };
        // It is large, and read by the process of the sinks: here only whether it can be.
        try {
          accessSync(at(places), constants.R_OK);
        } catch (error) {
          const { code = 'unreadable' } = error as NodeJS.ErrnoException;
          problems.push(`sink ${settings.name}: ${at(places)} cannot be read (${code})`);
        }
        return { settings: { ...settings, places: at(places) } };
      }
      case 'file':
        return { settings: { ...settings, path: at(settings.path) } };
      case 'syslog':
      case 'elasticsearch':
      case 'splunk':
      case 'loki':
      case 'nats':
      case 's3': {
        const tls = resolveTls(settings.tls, read);
        const problem = tls === undefined ? undefined : findTlsProblem(tls);
        if (problem !== undefined) problems.push(`sink ${settings.name}: tls: ${problem}`);
        const text = read(secretFileOf(settings), true);
        const isWhole = settings.type === 'nats' && 'credentialsFile' in (settings.auth ?? {});
        const secret = isWhole ? text : text?.split(/\r?\n/, 1)[0];
        if (secret !== undefined && !(isWhole ? /^[\n\r -~]+$/ : /^[ -~]+$/).test(secret))
          problems.push(
            `sink ${settings.name}: ${secretFileOf(settings)} does not begin with a line of printable ASCII`,
          );
        return {
          settings,
          ...(tls === undefined ? {} : { tls }),
          ...(secret === undefined ? {} : { secret }),
        };
      }
      case 'redis':
        try {
          return { settings, redis: readRedisAddress(settings.redis, directory) };
        } catch (error) {
          if (!(error instanceof LedgerUnavailable)) throw error;
          problems.push(`sink ${settings.name}: ${error.message}`);
          return { settings };
        }
    }
  });
  if (problems.length > 0) throw new SinkFilesError(problems);
  return resolved;
}

/** Its first line is what proves who we are. */
function secretFileOf(settings: SinkSettings): string | undefined {
  if ('tokenFile' in settings) return settings.tokenFile;
  if ('secretKeyFile' in settings) return settings.secretKeyFile;
  const auth = 'auth' in settings ? settings.auth : undefined;
  if (auth === undefined) return undefined;
  if ('passwordFile' in auth) return auth.passwordFile;
  if ('apiKeyFile' in auth) return auth.apiKeyFile;
  return 'tokenFile' in auth ? auth.tokenFile : auth.credentialsFile;
}

type Read = (path: string | undefined, isSecret: boolean) => string | undefined;

function resolveTls(tls: SinkTls | undefined, read: Read): ResolvedTls | undefined {
  if (tls === undefined) return undefined;
  const ca = read(tls.caFile, false);
  const certificate = read(tls.certificateFile, false);
  const key = read(tls.keyFile, true);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
    ...(tls.pinnedCertificates === undefined ? {} : { pinnedCertificates: tls.pinnedCertificates }),
  };
}

/** Whether OpenSSL takes it: certificates, and the key that belongs to ours. */
function findTlsProblem({ ca, certificate, key }: ResolvedTls): string | undefined {
  try {
    // OpenSSL passes over a file without any.
    if (ca !== undefined && !new X509Certificate(ca).ca) return 'caFile holds no certificate of an authority';
    createSecureContext({ ca, cert: certificate, key });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
