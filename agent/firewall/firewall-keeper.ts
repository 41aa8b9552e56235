import { describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import type { FirewallFiles, FirewallTrust } from './firewall-files.ts';
import { buildPlan } from './firewall-plan.ts';
import type { FirewallPlan, Peer } from './firewall-plan.ts';
import type { PacketFilter } from './packet-filters.ts';
import { createAddressBook, peersOf } from './peers.ts';
import type { PeerNetwork } from './peers.ts';
import type { FirewallState } from './published-firewall.ts';
import { verifyPolicy } from './verify-policy.ts';
import type { VerifiedPolicy } from './verify-policy.ts';

/** A plan that locked us out is not tried again before this. */
const retrySeconds = 600;

type Policy = Extract<VerifiedPolicy, { policy: unknown }>['policy'];

/** Keeps the packet filter as the control plane wants it. */
export interface FirewallKeeper {
  /** Looks at everything once and mends what is not as it should be. Never rejects. */
  look(): Promise<FirewallState>;
  /** Whether somebody who may always be reached has no address yet, as before the first network: look again soon. */
  isWaiting(): boolean;
}

export function createFirewallKeeper(options: {
  readonly files: FirewallFiles;
  readonly filter: PacketFilter;
  readonly network: PeerNetwork;
  readonly clock: Clock;
}): FirewallKeeper {
  const { files, filter, network, clock } = options;
  const book = createAddressBook(network);
  let current: { readonly raw: string; readonly policy: Policy; readonly device: string } | undefined;
  let loaded: { readonly plan: FirewallPlan; readonly listing: string | undefined } | undefined;
  let isWaiting = false;
  let failed: { readonly key: string; readonly since: () => number } | undefined;

  /** What was verified before is kept by root and not verified again: its signer's certificate may have ended meanwhile. */
  const recall = (trust: FirewallTrust): void => {
    const raw = files.kept();
    if (raw === undefined) return;
    const claims = JSON.parse(Buffer.from(raw.split('.')[1] ?? '', 'base64url').toString()) as Policy;
    current = { raw, policy: claims, device: trust.device };
  };
  /** Takes what the agent carries, if the control plane signed it later than what is in force. */
  const take = (trust: FirewallTrust): string | undefined => {
    if (current?.device !== trust.device) current = undefined;
    if (current === undefined) recall(trust);
    const raw = files.carried(trust);
    if (raw === undefined || raw === current?.raw) return undefined;
    const verified = verifyPolicy(raw, trust, new Date(clock.now()));
    if ('problem' in verified) return verified.problem;
    if (current !== undefined && verified.policy.iat < current.policy.iat)
      return 'older than what is in force';
    files.keep(raw);
    current = { raw, policy: verified.policy, device: trust.device };
    return undefined;
  };

  const isReached = async (peers: readonly Peer[]): Promise<boolean> =>
    (await Promise.all(peers.slice(0, 4).map((peer) => network.canReach(peer)))).includes(true);

  /** Loads a plan; back to what was there where that cuts off somebody who was reached before. */
  const apply = async (plan: FirewallPlan, groups: readonly (readonly Peer[])[]): Promise<boolean> => {
    const before = await Promise.all(groups.map(isReached));
    await filter.load(plan);
    const after = await Promise.all(
      groups.map(async (group, index) => before[index] === true && isReached(group)),
    );
    if (before.every((was, index) => !was || after[index] === true)) {
      loaded = { plan, listing: await filter.listing() };
      return true;
    }
    failed = { key: JSON.stringify(plan), since: startStopwatch(clock) };
    if (loaded === undefined) await filter.remove();
    else await filter.load(loaded.plan);
    return false;
  };

  const remove = async (): Promise<void> => {
    if ((await filter.listing()) !== undefined) await filter.remove();
    loaded = undefined;
  };

  const see = async (): Promise<FirewallState> => {
    isWaiting = false;
    const trust = files.trust();
    if (trust === undefined) {
      current = undefined;
      await remove();
      return { state: 'none', reason: 'no enrollment was adopted' };
    }
    const refused = take(trust);
    if (current?.policy.left === true) {
      files.forget();
      current = undefined;
      await remove();
      return { state: 'none', reason: 'the laptop has left' };
    }
    const note = refused === undefined ? {} : { refused };
    const firewall = current?.policy.firewall;
    if (current === undefined || firewall === null || firewall === undefined) {
      if (current !== undefined) await remove();
      return { state: 'none', ...note };
    }
    const groups = await book.lookUp(peersOf(current.policy, trust.control));
    isWaiting = groups.some((group) => group.length === 0);
    const plan = buildPlan(firewall, groups.flat());
    const key = JSON.stringify(plan);
    const isSame = loaded !== undefined && JSON.stringify(loaded.plan) === key;
    const named = { name: firewall.name, ...note };
    if (isSame && (await filter.listing()) === loaded?.listing) return { state: 'applied', ...named };
    if (failed?.key === key && failed.since() < retrySeconds) {
      // What was there before is kept as well as anything.
      if (loaded !== undefined && (await filter.listing()) !== loaded.listing) await filter.load(loaded.plan);
      return { state: 'rolled-back', ...named, reason: 'it cut off a gateway or the control plane' };
    }
    const isIn = await apply(plan, groups);
    return isIn
      ? { state: 'applied', ...named, ...(isSame ? { reason: 'it was altered, and put back' } : {}) }
      : { state: 'rolled-back', ...named, reason: 'it cut off a gateway or the control plane' };
  };

  return {
    isWaiting: () => isWaiting,
    look: () =>
      see().catch((error: unknown): FirewallState => ({ state: 'failed', reason: describeError(error) })),
  };
}
