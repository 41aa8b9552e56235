import { AgentError, describeError } from '../agent-error.ts';
import { explainKey, KeyUnusable } from '../keys/client-context.ts';
import { ControlForeign, ControlRefused, ControlUnable, ControlUnreachable } from './control-client.ts';

/**
 * What a person is told when the control plane refuses or cannot be asked; other errors stay as they are. That it cannot
 * for now, or that its identity provider is away, is no answer: a script may try again later, as where nothing answers.
 */
export function explainControlError(error: unknown, url: string): unknown {
  if (error instanceof ControlRefused) {
    const { code, title } = error.problem;
    return new AgentError(1, 'control-refused', { code, title }, error);
  }
  if (error instanceof ControlUnable) {
    const { code, title } = error.problem;
    return new AgentError(3, 'control-unable', { url, code, title }, error);
  }
  if (error instanceof KeyUnusable) return explainKey(error);
  const values = { url, reason: describeError(error) };
  if (error instanceof ControlForeign)
    return new AgentError(3, error.isProven ? 'control-not-understood' : 'control-foreign', values, error);
  if (error instanceof ControlUnreachable) return new AgentError(3, 'control-unreachable', values, error);
  return error;
}
