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

/** What the codes of the system and of TLS mean here. */
const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was broken off',
  EPIPE: 'the connection was broken off',
  ETIMEDOUT: 'no connection came about in time',
  EHOSTUNREACH: 'no way leads to that machine',
  ENETUNREACH: 'no way leads to that network',
  EACCES: 'this machine does not allow the connection',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'no name server answers',
  EPROTO: 'it does not speak TLS as we do, or not at all there',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; compare the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of an authority that is not trusted (caFile)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is of no authority that is trusted (caFile)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is of an authority that is not trusted (caFile)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is of an authority that is not trusted (caFile)',
};

/** What the client library means by its own errors, which have no codes. In the order in which they are looked for. */
const sayings: readonly (readonly [RegExp, string])[] = [
  [/No such master|got an invalid reply: null/, 'the sentinels watch no master of that name (master)'],
  [/sentinels? /, 'no sentinel tells where the master is'],
  [/Socket timeout|no answer within|timed? ?out/i, 'no answer came in time'],
  [/no connection within/, 'no connection came about in time'],
  [
    /startup nodes|refresh slots cache|Cluster is|Cluster isn't|Node is disconnected/,
    'no node of the cluster can be reached',
  ],
  [/Too many Cluster redirections/, 'its nodes do not agree on which of them has the ledger'],
  [/[Pp]rotocol|parse/, 'it does not speak the protocol of Redis'],
];

/** Whether the server itself gave this error as its answer: what was asked was not done. */
export const isReply = (error: unknown): boolean => error instanceof Error && error.name === 'ReplyError';

/**
 * What an error of the client means for the ledger, in a sentence of ours; the error itself is its cause, for the log.
 * `connectionError` is the last that the connection met: the error of a command often says only that there is none.
 */
export function ledgerError(error: unknown, name: string, connectionError: Error | undefined): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof LedgerUnavailable || error instanceof LedgerCorrupt) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error;
  if (isReply(error) && error.message.startsWith('WRONGTYPE '))
    return new LedgerCorrupt(0, `${name}: the key of the ledger holds something else than a stream`);
  const [told = error] = [error, connectionError].filter((each) => each !== undefined && isReply(each));
  if (isReply(told)) return new LedgerUnavailable(`${name}: ${answerOf(told.message)}`, { cause: error });
  const reason =
    (connectionError && reasonOf(connectionError)) ?? reasonOf(error) ?? 'the connection was lost';
  return new LedgerUnavailable(`${name} does not answer: ${reason}`, { cause: connectionError ?? error });
}

/** The server's own words behind ours, without the place in a script of ours where it said them. */
function answerOf(message: string): string {
  const words = message.replace(/ script: [0-9a-f]{40}.*$/s, '');
  const meaning = replies[words.split(' ', 1)[0] ?? ''];
  return meaning === undefined ? `it refuses: ${words}` : `${meaning}: ${words}`;
}

/** Undefined where the error says no more than that there is no connection. */
function reasonOf(error: Error): string | undefined {
  const { code, lastNodeError, errors } = error as Error & {
    code?: unknown;
    lastNodeError?: Error;
    errors?: readonly Error[];
  };
  // Node joins the errors of several addresses into one.
  const inner = lastNodeError ?? errors?.[0];
  if (inner !== undefined) return reasonOf(inner);
  if (isReply(error)) return answerOf(error.message);
  const found =
    typeof code === 'string' ? code : /\b(?:E[A-Z]{4,}|E[A-Z]+_[A-Z]+)\b/.exec(error.message)?.[0];
  if (found !== undefined && Object.hasOwn(failures, found)) {
    const { address, port } = error as Error & { address?: unknown; port?: unknown };
    const where = typeof address === 'string' ? ` ${address} port ${String(port)}` : '';
    return `${failures[found]} (${found}${where})`;
  }
  // Of a sentinel, which the library repeats in an error of its own.
  const reply = /\b(NOAUTH|WRONGPASS|NOPERM)\b/.exec(error.message)?.[0];
  if (reply !== undefined) return 'the sentinels want a password (sentinelPasswordFile), or another one';
  if (found !== undefined && typeof code === 'string') return `the connection failed (${code})`;
  return sayings.find(([words]) => words.test(error.message))?.[1];
}
