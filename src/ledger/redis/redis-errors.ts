import { LedgerCorrupt, LedgerUnavailable } from '../ledger.ts';

/** What the first word of an error of Redis means to whoever runs it. */
const replies: Readonly<Record<string, string>> = {
  LOADING: 'it is still reading its data set from the disk',
  READONLY: 'it is a replica, which takes no writes',
  MASTERDOWN: 'it is a replica that has lost its master',
  OOM: 'its memory is used up (maxmemory)',
  MISCONF: 'it cannot save to its disk, and takes no writes until it can',
  NOREPLICAS: 'too few of its replicas are connected (min-replicas-to-write)',
  NOAUTH: 'it wants a user and password (username, passwordFile)',
  WRONGPASS: 'it does not accept the user and password (username, passwordFile)',
  NOPERM: 'the user may not do this (see the access rules in docs/redis.md)',
  CLUSTERDOWN: 'the cluster has no master for the slot of the ledger',
  TRYAGAIN: 'the cluster is moving the slot of the ledger',
  BUSY: 'it is busy with a script',
  UNBLOCKED: 'it changed its role',
};

/** Whether the server itself gave this error as its answer: what was asked was not done. */
export const isReply = (error: unknown): boolean => error instanceof Error && error.name === 'ReplyError';

/**
 * What an error of the client means for the ledger. `connectionError` is the last that the connection met: the error of
 * a command often says only that there is no connection.
 */
export function ledgerError(error: unknown, name: string, connectionError: Error | undefined): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof LedgerUnavailable || error instanceof LedgerCorrupt) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error;
  const { message } = error;
  if (isReply(error)) {
    const code = message.split(' ', 1)[0] ?? '';
    if (code === 'WRONGTYPE')
      return new LedgerCorrupt(0, `${name}: the key of the ledger holds something else than a stream`);
    const meaning = replies[code];
    return new LedgerUnavailable(`${name}: ${meaning === undefined ? message : `${meaning}: ${message}`}`, {
      cause: error,
    });
  }
  const told = connectionError === undefined ? '' : `: ${reasonOf(connectionError)}`;
  const what = error.name === 'MaxRetriesPerRequestError' ? 'the connection was lost' : message;
  return new LedgerUnavailable(`${name} does not answer: ${what}${told}`, { cause: error });
}

/** Node joins the errors of several addresses into one without a message. */
function reasonOf(error: Error): string {
  const { message, lastNodeError } = error as Error & { lastNodeError?: Error };
  const inner = lastNodeError === undefined ? '' : ` (${lastNodeError.message})`;
  return `${message === '' && 'code' in error ? String(error.code) : message}${inner}`;
}
