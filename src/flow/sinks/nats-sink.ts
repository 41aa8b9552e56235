import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import type { NatsSinkSettings } from '../../contract/sinks.ts';
import { textOf } from '../shipper/spool-item.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import type { OutgoingRecord, RefusedRecord, Sink } from './sink.ts';
import { tlsOptions } from './tls-options.ts';

/** What headers and protocol add to a record, at most. */
const overheadBytes = 512;

/**
 * NATS JetStream: a record is a message under `SUBJECT.CLASS` with its `uid` as message id, so that the stream drops one
 * that comes twice within its duplicate window. It counts as delivered when the stream has acknowledged it.
 */
export function createNatsSink(settings: NatsSinkSettings, resolved: ResolvedSink): Sink {
  const { servers, subject, timeoutSeconds } = settings;
  const timeoutMs = timeoutSeconds * 1000;
  let current: NatsConnection | undefined;
  /** Which server is asked next, where the one before did not answer. */
  let turn = 0;

  async function open(): Promise<NatsConnection> {
    const server = servers[turn % servers.length] ?? '';
    try {
      const connection = await connect({
        ...optionsFor(server, settings, resolved),
        timeout: Math.min(timeoutMs, 10_000),
      });
      current = connection;
      connection.closed().then(
        () => {
          if (current === connection) current = undefined;
        },
        () => undefined,
      );
      return connection;
    } catch (error) {
      turn += 1;
      throw new Error(`${server}: ${(error as Error).message}`, { cause: error });
    }
  }

  return {
    maxUnacknowledged: 1,
    async send(batch) {
      const connection = current ?? (await open());
      const most = (connection.info?.max_payload ?? 1024 * 1024) - overheadBytes;
      const stream = jetstream(connection, { timeout: timeoutMs });
      const refused: RefusedRecord[] = [];
      const publish = async ({ record, text }: OutgoingRecord, index: number): Promise<void> => {
        const bytes = Buffer.from(text);
        if (bytes.length > most) {
          refused.push({
            index,
            reason: `is longer than the ${most} bytes that the server takes (max_payload)`,
          });
          return;
        }
        const uid = textOf(record, 'metadata', 'uid');
        const to = `${subject}.${textOf(record, 'class_uid') ?? 'unknown'}`;
        await stream.publish(to, bytes, {
          timeout: timeoutMs,
          ...(uid === undefined ? {} : { msgID: uid }),
        });
      };
      try {
        await Promise.all(batch.map(publish));
      } catch (error) {
        // Late acknowledgements of this batch must not be taken for those of the next attempt.
        await close();
        throw explain(error);
      }
      return { refused };
    },
    close,
  };

  async function close(): Promise<void> {
    const connection = current;
    current = undefined;
    await connection?.close().catch(() => undefined);
  }

  /** Nobody answers for a subject that no stream takes, nor where JetStream is off: the library cannot tell them apart. */
  function explain(error: unknown): unknown {
    const { name } = error as Error;
    return name === 'JetStreamNotEnabled' || name === 'NoRespondersError'
      ? new Error(`no stream takes ${subject}.*: nats stream add --subjects '${subject}.*'`, { cause: error })
      : error;
  }
}

/** One connection, which the delivery makes anew where it ends: the library's own way back would hide that. */
function optionsFor(
  server: string,
  { auth }: NatsSinkSettings,
  { tls, secret = '' }: ResolvedSink,
): ConnectionOptions {
  const { hostname } = new URL(`nats://${server}`);
  return {
    servers: server,
    name: 'postern',
    reconnect: false,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    ...(tls === undefined
      ? {}
      : {
          tls: tlsOptions(hostname.replace(/^\[(.*)\]$/, '$1'), tls) as NonNullable<ConnectionOptions['tls']>,
        }),
    ...(auth === undefined
      ? {}
      : 'username' in auth
        ? { user: auth.username, pass: secret }
        : 'tokenFile' in auth
          ? { token: secret }
          : { authenticator: credsAuthenticator(new TextEncoder().encode(secret)) }),
  };
}
