import type { FastifyBaseLogger } from 'fastify';
import type { KeyUse, SigningKey } from '../identity/signing-key.ts';
import { loadSigningKey } from '../identity/signing-key.ts';
import { currentKey, keyUses, planRotation } from '../identity/signing-keys.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { refuse } from '../contract/refusals.ts';
import { isRefusal } from './refused.ts';
import type { SigningKeyFiles } from './signing-key-files.ts';

/** The key that signs now, of each use. */
export interface SigningKeys {
  current(use: KeyUse): SigningKey & { readonly privateKeyPem: string };
  /** Follows the ledger: reads the private half of whatever key is current. @throws KeyFileError */
  refresh(): Promise<void>;
  /** Publishes and retires what is due. `now` in epoch seconds. */
  rotate(now: number): Promise<void>;
}

type LoadedKey = SigningKey & { readonly privateKeyPem: string };

/** `onChange` is told when another key of a use begins to sign. */
export function createSigningKeys(parts: {
  readonly store: Pick<LedgerStore, 'state' | 'commit'>;
  readonly files: SigningKeyFiles;
  readonly onChange: (use: KeyUse, key: LoadedKey) => void;
  readonly logger: FastifyBaseLogger;
}): SigningKeys {
  const { store, files, onChange, logger } = parts;
  const loaded = new Map<KeyUse, LoadedKey>();

  const refreshUse = async (use: KeyUse): Promise<void> => {
    const published = currentKey(store.state, use);
    if (published === undefined || loaded.get(use)?.kid === published.kid) return;
    const privateKeyPem = await files.read(use, published.kid);
    const key = { ...loadSigningKey(published.kid, privateKeyPem), privateKeyPem };
    const isFirst = !loaded.has(use);
    loaded.set(use, key);
    if (!isFirst) onChange(use, key);
  };
  const refresh = async (): Promise<void> => {
    for (const use of keyUses) await refreshUse(use);
  };

  const publish = async (use: KeyUse, now: number): Promise<void> => {
    const key = await files.create(use, now);
    // Several control planes may plan the same at once: the ledger lets one through.
    const result = await store.commit('postern:rotation', (state) =>
      planRotation(state, now).publish.includes(use)
        ? { events: [{ type: 'key-published', key }], value: true }
        : refuse('conflict', 'published by another'),
    );
    if (isRefusal(result)) await files.delete(use, key.kid);
    else logger.info({ use, kid: key.kid }, 'signing key published');
  };

  const retire = async (kid: string, now: number): Promise<void> => {
    const use = store.state.signingKeys.get(kid)?.use;
    const result = await store.commit('postern:rotation', (state) =>
      planRotation(state, now).retire.includes(kid)
        ? { events: [{ type: 'key-retired', kid }], value: true }
        : refuse('conflict', 'retired by another'),
    );
    if (isRefusal(result) || use === undefined) return;
    // The successor first: between the two nothing must be left to sign with a key that is gone.
    await refresh();
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
      const plan = planRotation(store.state, now);
      for (const use of plan.publish) await publish(use, now);
      for (const kid of plan.retire) await retire(kid, now);
      await refresh();
    },
  };
}
