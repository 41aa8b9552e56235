import { setImmediate } from 'node:timers/promises';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { LedgerEntry, ResourceEvent } from '../../domain/events.ts';
import type { Resource, ResourceKind } from '../../domain/resources.ts';
import { parseEvent } from '../../ledger/event-schema.ts';
import type { LedgerStore } from '../../ledger/store.ts';
import { policyVersionOf } from '../../policy/policy-version.ts';

/** One append that changed resources. */
export interface ResourceVersion {
  /** As `SEQ-HASH8`: the head that it led to. */
  readonly version: string;
  readonly sequence: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly actor: string;
  /** Where that is who approved it: who proposed it. */
  readonly proposedBy?: string;
  readonly changes: readonly ResourceAct[];
}

export interface ResourceAct {
  readonly action: 'create' | 'update' | 'delete';
  readonly kind: ResourceKind;
  readonly name: string;
}

/** All resources as they were at a place in the ledger. */
export interface ResourcesThen {
  readonly version: string;
  readonly at: number;
  readonly actor: string;
  readonly resources: readonly Resource[];
}

/** Earlier states of the resources, folded from the ledger when somebody asks. */
export interface ResourceHistory {
  /** Changes of resources before a sequence number, the newest first. */
  list(options: { readonly before?: number; readonly limit: number }): Promise<readonly ResourceVersion[]>;
  /** The state at `SEQ` or `SEQ-HASH8`; every head that the ledger had is a version. */
  at(version: string): Promise<ResourcesThen | Refusal>;
}

/** Changes that are kept to be listed; what is older is in the ledger still, and can be had as a state. */
const maxListed = 100_000;
/** States that are kept: people compare the same few. */
const maxStates = 4;
/** A ledger of a million entries takes seconds to read; other requests are answered in between. */
const entriesAtOnce = 500;

/** Nearly all entries of a large ledger are about devices; these are told apart without being parsed. */
const isOfResource = ({ data }: LedgerEntry): boolean => data.startsWith('{"type":"resource-');

const isOfProposal = ({ data }: LedgerEntry): boolean => data.startsWith('{"type":"change-');

const keyOf = (event: ResourceEvent): string =>
  event.type === 'resource-put'
    ? `${event.resource.kind}/${event.resource.name}`
    : `${event.kind}/${event.name}`;

export function createResourceHistory(
  store: Pick<LedgerStore, 'read' | 'state'>,
  limits: { readonly maxListed?: number } = {},
): ResourceHistory {
  const most = limits.maxListed ?? maxListed;
  const listed: (Omit<ResourceVersion, 'changes'> & { readonly changes: ResourceAct[] })[] = [];
  const existing = new Set<string>();
  const states: ResourcesThen[] = [];
  const proposers = new Map<string, string>();
  let approved: { readonly sequence: number; readonly proposedBy: string } | undefined;
  let acts = 0;
  let listedUpTo = 0;
  // One reader at a time: whoever comes second finds what the first has read.
  let reading: Promise<unknown> = Promise.resolve();

  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const result = reading.then(work);
    reading = result.catch(() => undefined);
    return result;
  };

  const list = (entry: LedgerEntry): void => {
    const event = parseEvent(entry.data) as ResourceEvent;
    const act = actOf(event, existing);
    const last = listed.at(-1);
    // What was appended as one unit has one time and one actor, and nothing in between.
    const { sequence, at, actor } = entry;
    const isSameUnit = last?.sequence === sequence - 1 && last.at === at && last.actor === actor;
    const changes = isSameUnit ? last.changes : [];
    changes.push(act);
    const proposedBy = isSameUnit
      ? last.proposedBy
      : approved?.sequence === sequence - 1
        ? approved.proposedBy
        : undefined;
    const version = policyVersionOf(entry);
    const by = proposedBy === undefined ? {} : { proposedBy };
    const unit = { version, sequence, at, actor, ...by, changes };
    if (isSameUnit) listed[listed.length - 1] = unit;
    else listed.push(unit);
    acts += 1;
    while (acts > most && listed.length > 1) acts -= listed.shift()?.changes.length ?? 0;
  };

  const noteProposal = ({ data, actor, sequence }: LedgerEntry): void => {
    const event = parseEvent(data);
    if (event.type === 'change-proposed') proposers.set(event.id, actor);
    else if (event.type === 'change-rejected') proposers.delete(event.id);
    else if (event.type === 'change-approved') {
      const proposedBy = proposers.get(event.id);
      approved = proposedBy === undefined ? undefined : { sequence, proposedBy };
      proposers.delete(event.id);
    }
  };

  const readOn = async (after: number, upTo: number, each: (entry: LedgerEntry) => void): Promise<void> => {
    let count = 0;
    if (after >= upTo) return;
    for await (const entry of store.read(after)) {
      each(entry);
      count += 1;
      if (entry.sequence >= upTo) return;
      if (count % entriesAtOnce === 0) await setImmediate();
    }
  };

  return {
    list: ({ before = Infinity, limit }) =>
      inTurn(async () => {
        await readOn(listedUpTo, store.state.head.sequence, (entry) => {
          if (isOfResource(entry)) list(entry);
          else if (isOfProposal(entry)) noteProposal(entry);
          listedUpTo = entry.sequence;
        });
        return listed
          .filter(({ sequence }) => sequence < before)
          .slice(-limit)
          .reverse();
      }),
    at: (version) =>
      inTurn(async () => {
        const [, digits = '', hash = ''] = /^([1-9][0-9]{0,14})(?:-([0-9a-f]{8}))?$/.exec(version) ?? [];
        const sequence = Number(digits);
        const absent = refuse('not-found', `version ${version}`);
        if (digits === '' || sequence > store.state.head.sequence) return absent;
        let then = states.find((known) => known.version.startsWith(`${sequence}-`));
        if (then === undefined) {
          // From the nearest state that is at hand: people compare a version with those around it.
          const base = states
            .filter((known) => sequenceOf(known) < sequence)
            .sort((a, b) => sequenceOf(b) - sequenceOf(a))[0];
          const fold = new Map((base?.resources ?? []).map((each) => [`${each.kind}/${each.name}`, each]));
          let last: LedgerEntry | undefined;
          await readOn(base === undefined ? 0 : sequenceOf(base), sequence, (entry) => {
            last = entry;
            if (!isOfResource(entry)) return;
            const event = parseEvent(entry.data) as ResourceEvent;
            if (event.type === 'resource-put') fold.set(keyOf(event), event.resource);
            else fold.delete(keyOf(event));
          });
          if (last?.sequence !== sequence) return absent;
          const { at, actor } = last;
          then = { version: policyVersionOf(last), at, actor, resources: [...fold.values()] };
          states.push(then);
          if (states.length > maxStates) states.shift();
        }
        return hash === '' || then.version === `${sequence}-${hash}` ? then : absent;
      }),
  };
}

const sequenceOf = ({ version }: ResourcesThen): number => Number(version.split('-')[0]);

function actOf(event: ResourceEvent, existing: Set<string>): ResourceAct {
  const key = keyOf(event);
  if (event.type === 'resource-deleted') {
    existing.delete(key);
    return { action: 'delete', kind: event.kind, name: event.name };
  }
  const { kind, name } = event.resource;
  const action = existing.has(key) ? 'update' : 'create';
  existing.add(key);
  return { action, kind, name };
}
