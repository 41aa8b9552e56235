import { setTimeout as pause } from 'node:timers/promises';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { LedgerConflict, LedgerUnavailable, LedgerUnconfirmed } from '../ledger.ts';
import { countReplicas } from './count-replicas.ts';
import type { RedisTimeouts } from './redis-client.ts';
import type { RedisConnection } from './redis-connection.ts';
import { isReply } from './redis-errors.ts';
import { appendScript, headScript, runScript } from './scripts.ts';
import { idOf, parseElement } from './stream-entries.ts';

export interface StreamAppend {
  readonly connection: RedisConnection;
  readonly key: string;
  readonly name: string;
  readonly timeouts: RedisTimeouts;
  readonly waitForReplicas: number;
  readonly expected: LedgerHead;
  readonly entries: readonly LedgerEntry[];
  /** The server's clock when the head was read. */
  readonly serverMs: number;
}

/**
 * Appends linked entries in one step. An answer that is lost on the way back is not taken for a failure: it looks in the
 * store until the entries are found, or the server's clock says that they will not be written any more.
 * @throws LedgerConflict, LedgerUnavailable, LedgerUnconfirmed
 */
export async function appendToStream(append: StreamAppend): Promise<void> {
  const { connection, key, name, timeouts, expected, entries } = append;
  const patienceMs = timeouts.silenceMs + entries.length;
  const deadline = append.serverMs + patienceMs;
  const args = [
    idOf(expected.sequence),
    expected.hash,
    deadline,
    ...entries.flatMap(({ sequence, at, actor, data, previous, hash }) => [
      sequence,
      at,
      actor,
      data,
      previous,
      hash,
    ]),
  ];
  let isSent = false;
  let generation = 0;
  try {
    const [answer, id] = (await connection.call((client) => {
      isSent = true;
      generation = connection.generation;
      return runScript(client, appendScript, key, args);
    })) as [string, string?];
    if (answer === 'conflict') throw new LedgerConflict(`ledger head is ${id}, not the one expected`);
    if (answer !== 'done') throw new LedgerUnavailable(`${name}: the append came too late and was not made`);
  } catch (error) {
    const isUnknown = error instanceof LedgerUnavailable && isSent && isLost(error);
    if (!isUnknown || !(await findEntries(append, deadline, patienceMs))) throw error;
    // On another connection, WAIT could not tell of it.
    if (append.waitForReplicas > 0) throw notReplicated(append, 0);
  }
  if (append.waitForReplicas > 0) await awaitReplicas(append, generation);
}

const isLost = ({ cause }: LedgerUnavailable): boolean => cause !== undefined && !isReply(cause);

/**
 * Whether the entries are in the store. False only when they never will be.
 * @throws LedgerUnconfirmed when the store does not come back in time to tell; LedgerConflict when others are there.
 */
async function findEntries(
  { connection, key, name, entries }: StreamAppend,
  deadline: number,
  patienceMs: number,
): Promise<boolean> {
  const [first] = entries;
  if (first === undefined) return false;
  const giveUpAt = performance.now() + 2 * patienceMs;
  for (;;) {
    try {
      // The clock first: what is not there after the deadline had passed will not come.
      const [, , serverMs] = (await connection.call((client) => runScript(client, headScript, key, []))) as [
        string,
        string,
        string,
      ];
      const id = idOf(first.sequence);
      const [element] = await connection.call((client) => client.xrange(key, id, id, 'COUNT', 1));
      if (element !== undefined) {
        if (parseElement(element, first.sequence).hash === first.hash) return true;
        throw new LedgerConflict(`ledger entry ${first.sequence} is another's`);
      }
      if (Number(serverMs) > deadline) return false;
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) throw error;
    }
    if (performance.now() > giveUpAt)
      throw new LedgerUnconfirmed(
        'unknown',
        `${name} was lost during the change; whether it was made is not known`,
      );
    await pause(100);
  }
}

async function awaitReplicas(append: StreamAppend, generation: number): Promise<void> {
  const { connection, timeouts, waitForReplicas } = append;
  let replicas: number;
  try {
    replicas = await countReplicas(
      connection,
      generation,
      waitForReplicas,
      Math.ceil(timeouts.silenceMs / 2),
    );
  } catch (error) {
    if (!(error instanceof LedgerUnavailable)) throw error;
    throw notReplicated(append, 0, error);
  }
  if (replicas < waitForReplicas) throw notReplicated(append, replicas);
}

const notReplicated = (
  { name, waitForReplicas }: StreamAppend,
  replicas: number,
  cause?: LedgerUnavailable,
): LedgerUnconfirmed =>
  new LedgerUnconfirmed(
    'made',
    `${name}: the change was made, but ${replicas} of ${waitForReplicas} replicas have confirmed it (waitForReplicas)`,
    { cause },
  );
