import type { ControlState } from '../domain/control-state.ts';

/** Makes a state equal to another, in place and in one step: whoever holds it never sees half of it. */
export function replaceState(state: ControlState, next: ControlState): void {
  for (const [name, value] of Object.entries(next) as [keyof ControlState, unknown][]) {
    if (!(value instanceof Map)) {
      Object.assign(state, { [name]: value });
      continue;
    }
    const map = state[name] as unknown as Map<unknown, unknown>;
    map.clear();
    for (const [key, each] of value) map.set(key, each);
  }
}
