import type { ControlMessage } from '../../contract/ipc.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { registrations } from '../../routing/registrations.ts';

/** Tells the supervisor what may be dialled, whenever it is called and that has changed. */
export function createNetworkAnnouncer(
  state: ControlState,
  send: (message: Extract<ControlMessage, { type: 'networks' }>) => void,
): () => void {
  let announced: string | undefined;
  return () => {
    const networks = registrations(state);
    const text = JSON.stringify(networks);
    if (text === announced) return;
    announced = text;
    send({ type: 'networks', networks });
  };
}
