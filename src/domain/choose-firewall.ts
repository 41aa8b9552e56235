import type { ControlState } from './control-state.ts';
import type { Device } from './device.ts';
import type { Firewall } from './resources.ts';

/**
 * The firewall of a device: the first by name that is for a group of its user, else the one that is for all others; none
 * where there is neither.
 */
export function chooseFirewall(
  state: Pick<ControlState, 'firewalls' | 'groups'>,
  { user }: Pick<Device, 'user'>,
): Firewall | undefined {
  const isMember = (name: string): boolean => {
    const members = state.groups.get(name)?.members;
    return Array.isArray(members) && members.includes(user);
  };
  const byName = [...state.firewalls.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return (
    byName.find(({ groups }) => groups?.some(isMember) === true) ??
    byName.find(({ groups }) => groups === undefined)
  );
}
