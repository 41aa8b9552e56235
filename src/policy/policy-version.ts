import type { LedgerHead } from '../domain/control-state.ts';

/** The ledger head that a decision was made under, as records show it: `SEQ-HASH8`. */
export const policyVersionOf = (head: LedgerHead): string => `${head.sequence}-${head.hash.slice(0, 8)}`;
