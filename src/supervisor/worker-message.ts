import type { WorkerMessage } from '../contract/ipc.ts';

/**
 * Whether a worker's message is one. Workers meet the network, so that what they say is read as input: a worker that
 * breaks the form is broken or no longer ours.
 */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  if (!isRecord(message)) return false;
  switch (message['type']) {
    case 'ready':
      return isPort(message['port']);
    case 'dial': {
      const { id, network, upstream } = message;
      if (!Number.isSafeInteger(id) || typeof network !== 'string' || !isRecord(upstream)) return false;
      const { host, port, transport } = upstream;
      return typeof host === 'string' && isPort(port) && (transport === undefined || transport === 'udp');
    }
    case 'for-control':
      return isRecord(message['message']);
    default:
      return false;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const isPort = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535;
