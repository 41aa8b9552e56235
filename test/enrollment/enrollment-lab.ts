import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Refusal } from '../../src/contract/refusals.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import { authoritySigner } from '../../src/enrollment/authority-signer.ts';
import type { CertificateSigner } from '../../src/enrollment/certificate-signer.ts';
import { createEnrollmentToken } from '../../src/enrollment/enrollment-token.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { Organization } from '../lab/pki.ts';

export interface EnrollmentLab {
  readonly organization: Organization;
  readonly signer: CertificateSigner;
  readonly store: LedgerStore;
  /** The ledger's file, in a folder of its own. */
  readonly ledgerPath: string;
  /** Another control plane over the same ledger file. */
  openSecondStore(): Promise<LedgerStore>;
  commit(...events: ControlEvent[]): Promise<void>;
  newToken(options?: TokenOptions): Promise<string>;
  close(): Promise<void>;
}

export type TokenOptions = Partial<Parameters<typeof createEnrollmentToken>[1]>;

/** The value, in a test in which a refusal would be a failure of something else. */
export function valueOf<Value extends object>(result: Value | Refusal): Value {
  expect(result).not.toHaveProperty('code');
  return result as Value;
}

/** A control plane's store over a real SQLite ledger, with a real device authority. */
export async function openEnrollmentLab(): Promise<EnrollmentLab> {
  const organization = await makeOrganization();
  const directory = mkdtempSync(join(tmpdir(), 'postern-enrollment-'));
  const path = join(directory, 'ledger.db');
  const store = await openLedgerStore(openSqliteLedger(path, { create: true }));
  const stores = [store];
  const signer = authoritySigner(organization.authorities.device, organization.domain);

  const lab: EnrollmentLab = {
    organization,
    signer,
    store,
    ledgerPath: path,
    openSecondStore: async () => {
      const second = await openLedgerStore(openSqliteLedger(path));
      stores.push(second);
      return second;
    },
    commit: async (...events) => {
      valueOf(await store.commit('postern:test', () => ({ events, value: {} })));
    },
    newToken: async (options = {}) => {
      const { rootFingerprint } = organization;
      const request = {
        user: 'alice@example.org',
        rootFingerprint,
        now: Math.floor(Date.now() / 1000),
        ...options,
      };
      const created = await store.commit('api-key:test', (state) => createEnrollmentToken(state, request));
      return valueOf(created).token;
    },
    close: async () => {
      for (const each of stores) await each.close();
      rmSync(directory, { recursive: true });
    },
  };
  await lab.commit({ type: 'organization-created', domain: organization.domain });
  return lab;
}
