import type { Group } from '../domain/resources.ts';
import type { VerifiedToken } from '../domain/subject.ts';

/** The groups of a user: one object for each different set of names, so that it can stand in a cache key. */
export interface GroupSet {
  /** Sorted. */
  readonly names: readonly string[];
}

export interface GroupMembership {
  /**
   * Moves on to these groups, by name. Only those that are other objects than before are looked at, and of a group that
   * changed only the members who came or went. @returns whether anything changed; sets given before are then void.
   */
  update(groups: ReadonlyMap<string, Group>): boolean;
  /** Groups that list the user, and those whose claim and value the token holds. */
  groupsOf(token: Pick<VerifiedToken, 'user' | 'claims'>): GroupSet;
  /** The part of a set that is among `mentioned`; again one object for each different outcome. */
  project(groups: GroupSet, mentioned: ReadonlySet<string>): GroupSet;
}

/** Members' lists turned round, so that a decision asks for a user and not for each group. */
export function createGroupMembership(groups: Iterable<Group> = []): GroupMembership {
  const known = new Map<string, Group>();
  const listed = new Map<string, string[]>();
  const claimed = new Map<string, Map<string, string[]>>();
  let interned = new Map<string, GroupSet>();

  const replace = (name: string, before: Group | undefined, after: Group | undefined): void => {
    const [had, has] = [listOf(before), listOf(after)];
    for (const user of had) if (!has.has(user)) remove(listed, user, name);
    for (const user of has) if (!had.has(user)) append(listed, user, name);
    const [claimBefore, claimAfter] = [claimOf(before), claimOf(after)];
    if (claimBefore !== undefined) {
      const values = claimed.get(claimBefore.claim);
      if (values !== undefined) remove(values, claimBefore.value, name);
      if (values?.size === 0) claimed.delete(claimBefore.claim);
    }
    if (claimAfter !== undefined) {
      const values = claimed.get(claimAfter.claim) ?? new Map<string, string[]>();
      claimed.set(claimAfter.claim, values);
      append(values, claimAfter.value, name);
    }
    if (after === undefined) known.delete(name);
    else known.set(name, after);
  };
  for (const group of groups) replace(group.name, undefined, group);

  const intern = (names: readonly string[]): GroupSet => {
    const sorted = [...new Set(names)].sort();
    const key = JSON.stringify(sorted);
    let set = interned.get(key);
    if (set === undefined) interned.set(key, (set = { names: sorted }));
    return set;
  };
  return {
    update(next) {
      let changed = false;
      for (const [name, before] of known) {
        if (next.has(name)) continue;
        replace(name, before, undefined);
        changed = true;
      }
      for (const [name, group] of next) {
        const before = known.get(name);
        if (before === group) continue;
        replace(name, before, group);
        changed = true;
      }
      if (changed) interned = new Map();
      return changed;
    },
    groupsOf({ user, claims }) {
      const names = [...(listed.get(user) ?? [])];
      for (const [claim, byValue] of claimed) {
        // The claim's name comes from a resource: it must not find what every object inherits.
        const values = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
        for (const value of values ?? []) names.push(...(byValue.get(value) ?? []));
      }
      return intern(names);
    },
    project: (groups, mentioned) => intern(groups.names.filter((name) => mentioned.has(name))),
  };
}

const listOf = (group: Group | undefined): ReadonlySet<string> =>
  new Set(Array.isArray(group?.members) ? group.members : []);

const claimOf = (group: Group | undefined): { claim: string; value: string } | undefined =>
  group === undefined || Array.isArray(group.members) ? undefined : group.members;

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function remove(lists: Map<string, string[]>, key: string, value: string): void {
  const left = (lists.get(key) ?? []).filter((each) => each !== value);
  if (left.length === 0) lists.delete(key);
  else lists.set(key, left);
}
