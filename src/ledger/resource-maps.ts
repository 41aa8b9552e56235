import type { ControlState } from '../domain/control-state.ts';
import type { Resource, ResourceKind } from '../domain/resources.ts';

/** The resources of one kind in a state, by name. */
export function mapOfKind(state: ControlState, kind: ResourceKind): Map<string, Resource> {
  const maps: Record<ResourceKind, unknown> = {
    Network: state.networks,
    App: state.apps,
    Group: state.groups,
    Policy: state.policies,
    Administrator: state.administrators,
    Firewall: state.firewalls,
  };
  // A name of one kind is a string like any other once its kind has chosen the map.
  return maps[kind] as Map<string, Resource>;
}
