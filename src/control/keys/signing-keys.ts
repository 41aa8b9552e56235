import type { FastifyBaseLogger } from 'fastify';
import type { KeyUse, SigningKey } from '../../identity/signing-key.ts';
import { loadSigningKey } from '../../identity/signing-key.ts';
import { abandonedKeys, currentKey, keyUses, planRotation } from '../../identity/signing-keys.ts';
import type { Keys } from '../../identity/signing-keys.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import { refuse } from '../../contract/refusals.ts';
import { isRefusal } from '../api/refused.ts';
import type { SigningKeyFiles } from './signing-key-files.ts';

/** The key that signs now, of each use. */
export interface SigningKeys {
  current(use: KeyUse): SigningKey & { readonly privateKeyPem: string };
  /** Follows the ledger: reads the private half of whatever key is current. `now` in epoch seconds. @throws KeyFileError */
  refresh(now: number): Promise<void>;
  /** Publishes and retires what is due. `now` in epoch seconds. */
  rotate(now: number): Promise<void>;
}

type LoadedKey = SigningKey & { readonly privateKeyPem: string };

/**
 * `onChange` is told when another key of a use begins to sign. With `isShared` several servers, each with a directory of
 * its own, publish in one ledger: private halves never travel, so each signs and rotates with those that it has.
 * (Which of the retired were its own it forgets when it starts anew, and may then rotate before the time is over.)
 */
export function createSigningKeys(parts: {
  readonly store: Pick<LedgerStore, 'state' | 'commit'>;
  readonly files: SigningKeyFiles;
  readonly onChange: (use: KeyUse, key: LoadedKey) => void;
  readonly logger: FastifyBaseLogger;
  /** What this server signs. */
  readonly uses?: readonly KeyUse[];
  readonly isShared?: boolean;
}): SigningKeys {
  const { store, files, onChange, logger, uses = keyUses, isShared = false } = parts;
  const loaded = new Map<KeyUse, LoadedKey>();
  let listed: Set<string> | undefined;
  const listHere = async (): Promise<Set<string>> => (listed ??= new Set(isShared ? await files.list() : []));

  const ownKeys = (state: Keys, here: ReadonlySet<string>): Keys =>
    isShared ? { signingKeys: new Map([...state.signingKeys].filter(([kid]) => here.has(kid))) } : state;

  const refreshUse = async (use: KeyUse, now: number): Promise<void> => {
    const here = await listHere();
    // Another server may have retired the last one that both had.
    if (isShared && currentKey(ownKeys(store.state, here), use) === undefined) await publish(use, now);
    const published = currentKey(ownKeys(store.state, here), use);
    if (published === undefined || loaded.get(use)?.kid === published.kid) return;
    const privateKeyPem = await files.read(use, published.kid);
    const key = { ...loadSigningKey(published.kid, privateKeyPem), privateKeyPem };
    const isFirst = !loaded.has(use);
    loaded.set(use, key);
    if (!isFirst) onChange(use, key);
  };
  const refresh = async (now: number): Promise<void> => {
    for (const use of uses) await refreshUse(use, now);
    // A copy of what another server retired.
    for (const kid of await listHere()) {
      const key = store.state.signingKeys.get(kid);
      if (key?.retiredAt !== undefined) await files.delete(key.use, kid);
    }
  };

  const publish = async (use: KeyUse, now: number): Promise<void> => {
    const here = await listHere();
    const key = await files.create(use, now);
    // Several control planes may plan the same at once: the ledger lets one through.
    const result = await store.commit('postern:rotation', (state) =>
      planRotation(ownKeys(state, here), now).publish.includes(use)
        ? { events: [{ type: 'key-published', key }], value: true }
        : refuse('conflict', 'published by another'),
    );
    if (isRefusal(result)) return files.delete(use, key.kid);
    here.add(key.kid);
    logger.info({ use, kid: key.kid }, 'signing key published');
  };

  const retire = async (kid: string, now: number, isDue: (state: Keys) => boolean): Promise<void> => {
    const use = store.state.signingKeys.get(kid)?.use;
    const result = await store.commit('postern:rotation', (state) =>
      isDue(state)
        ? { events: [{ type: 'key-retired', kid }], value: true }
        : refuse('conflict', 'retired by another'),
    );
    if (isRefusal(result) || use === undefined) return;
    // The successor first: between the two nothing must be left to sign with a key that is gone.
    await refresh(now);
    await files.delete(use, kid);
    logger.info({ use, kid }, 'signing key retired');
  };

  return {
    current(use) {
      const key = loaded.get(use);
      if (key === undefined) throw new TypeError(`no ${use} key is loaded`);
      return key;
    },
    refresh,
    async rotate(now) {
      const here = await listHere();
      const plan = planRotation(ownKeys(store.state, here), now);
      for (const use of plan.publish) if (uses.includes(use)) await publish(use, now);
      for (const kid of plan.retire)
        await retire(kid, now, (state) => planRotation(ownKeys(state, here), now).retire.includes(kid));
      const isOwn = (kid: string): boolean => !isShared || here.has(kid);
      for (const kid of abandonedKeys(store.state, isOwn, now))
        await retire(kid, now, (state) => abandonedKeys(state, isOwn, now).includes(kid));
      await refresh(now);
    },
  };
}
