import type { Group } from '../domain/resources.ts';
import type { VerifiedToken } from '../domain/subject.ts';

/** The groups of a user: one object for each different set of names, so that it can stand in a cache key. */
export interface GroupSet {
  /** Sorted. */
  readonly names: readonly string[];
}

export interface GroupMembership {
  /** Groups that list the user, and those whose claim and value the token holds. */
  groupsOf(token: Pick<VerifiedToken, 'user' | 'claims'>): GroupSet;
  /** The part of a set that is among `mentioned`; again one object for each different outcome. */
  project(groups: GroupSet, mentioned: ReadonlySet<string>): GroupSet;
}

/** Turns members' lists round once, so that a decision asks for a user and not for each group. */
export function createGroupMembership(groups: Iterable<Group>): GroupMembership {
  const listed = new Map<string, string[]>();
  const claimed = new Map<string, Map<string, string[]>>();
  for (const group of groups) {
    if (Array.isArray(group.members)) {
      for (const user of group.members) append(listed, user, group.name);
    } else {
      const values = claimed.get(group.members.claim) ?? new Map<string, string[]>();
      claimed.set(group.members.claim, values);
      append(values, group.members.value, group.name);
    }
  }
  const interned = new Map<string, GroupSet>();
  const intern = (names: readonly string[]): GroupSet => {
    const sorted = [...new Set(names)].sort();
    const key = JSON.stringify(sorted);
    let set = interned.get(key);
    if (set === undefined) interned.set(key, (set = { names: sorted }));
    return set;
  };
  return {
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

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
