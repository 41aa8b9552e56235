import { expect, it } from 'vitest';
import { LedgerUnavailable } from '../../src/ledger/ledger.ts';
import { ledgerError } from '../../src/ledger/redis/redis-errors.ts';

const errorOf = (message: string, members: object = {}): Error => Object.assign(new Error(message), members);
const reply = (message: string): Error => errorOf(message, { name: 'ReplyError' });
const lost = errorOf(
  'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
  { name: 'MaxRetriesPerRequestError' },
);
const refused = errorOf('connect ECONNREFUSED 10.0.0.7:6379', {
  code: 'ECONNREFUSED',
  address: '10.0.0.7',
  port: 6379,
});

it.each<[string, Error, Error | undefined]>([
  ['does not answer: the connection was lost', lost, undefined],
  ['does not answer: the connection was lost', errorOf('Connection is closed.'), undefined],
  [
    'does not answer: the connection was lost',
    errorOf("Stream isn't writeable and enableOfflineQueue options is false"),
    undefined,
  ],
  ['does not answer: the connection was lost', errorOf('Command aborted due to connection close'), lost],
  ['does not answer: nothing listens there (ECONNREFUSED 10.0.0.7 port 6379)', lost, refused],
  [
    'does not answer: nothing listens there (ECONNREFUSED 10.0.0.7 port 6379)',
    errorOf('', { errors: [refused] }),
    undefined,
  ],
  [
    'does not answer: nothing listens there (ECONNREFUSED 10.0.0.7 port 6379)',
    errorOf('no connection within 3000 ms'),
    errorOf('Failed to refresh slots cache.', { lastNodeError: refused }),
  ],
  ['does not answer: no connection came about in time (ETIMEDOUT)', lost, errorOf('connect ETIMEDOUT')],
  [
    'does not answer: no answer came in time',
    lost,
    errorOf("Socket timeout. Expecting data, but didn't receive any in 3000ms."),
  ],
  [
    'does not answer: no node of the cluster can be reached',
    errorOf('None of startup nodes is available'),
    undefined,
  ],
  [
    'does not answer: its certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID)',
    lost,
    errorOf('Hostname/IP does not match', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }),
  ],
  [
    'does not answer: the connection failed (ENEW)',
    lost,
    errorOf('what a later system says', { code: 'ENEW' }),
  ],
  [
    'does not answer: no sentinel tells where the master is',
    lost,
    errorOf('failed to connect to sentinel 10.0.0.8:26379 because Connection is closed.'),
  ],
  [
    'does not answer: the sentinels want a password (sentinelPasswordFile), or another one',
    lost,
    errorOf('failed to connect to sentinel 10.0.0.8:26379 because NOAUTH Authentication required.'),
  ],
  [
    'does not answer: the sentinels watch no master of that name (master)',
    lost,
    errorOf('connected to sentinel 10.0.0.8:26379 successfully, but got an invalid reply: null'),
  ],
  [
    'it does not accept the user and password (username, passwordFile): WRONGPASS invalid username-password pair',
    lost,
    reply('WRONGPASS invalid username-password pair'),
  ],
  [
    "its memory is used up (maxmemory): OOM command not allowed when used memory > 'maxmemory'.",
    reply(
      `OOM command not allowed when used memory > 'maxmemory'. script: ${'5e'.repeat(20)}, on @user_script:12.`,
    ),
    refused,
  ],
  ['it refuses: ERR wrong number of arguments', reply('ERR wrong number of arguments'), undefined],
])('says %s', (sentence, error, connectionError) => {
  const told = ledgerError(error, 'Redis', connectionError) as LedgerUnavailable;
  expect(told).toBeInstanceOf(LedgerUnavailable);
  const between = sentence.startsWith('does') ? ' ' : ': ';
  expect(told.message).toBe(`Redis${between}${sentence}`);
  // For the log.
  expect([error, connectionError]).toContain(told.cause);
});
