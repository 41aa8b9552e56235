import { AgentError } from '../agent-error.ts';
import { ControlRefused, ControlUnreachable } from '../control/control-client.ts';

/** What a command says when the control plane refuses or cannot be asked; other errors stay as they are. */
export function explainControlError(error: unknown, url: string): unknown {
  if (error instanceof ControlRefused) {
    const { code, title } = error.problem;
    return new AgentError(1, 'control-refused', { code, title }, error);
  }
  if (error instanceof ControlUnreachable)
    return new AgentError(3, 'control-unreachable', { url, reason: error.message }, error);
  return error;
}
