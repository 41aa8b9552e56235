import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { ConnectorMessage, NetworkRegistration, SupervisorToConnector } from '../../src/contract/ipc.ts';
import { connectorCommand, ownPrograms } from '../../src/supervisor/commands.ts';
import type { RunAs } from '../../src/supervisor/commands.ts';

/** A connector as the supervisor starts it, spoken to without a supervisor. */
export async function startConnector(
  registration: NetworkRegistration,
  options: { program?: string; runAs?: RunAs } = {},
): Promise<{
  readonly child: ChildProcess;
  readonly tell: (message: SupervisorToConnector) => void;
  /** The next message, and what came beside it. */
  readonly next: () => Promise<[ConnectorMessage, unknown]>;
  readonly end: () => Promise<void>;
}> {
  const command = connectorCommand(options.program ?? ownPrograms.connector, registration, {}, options.runAs);
  if ('problem' in command) throw new Error(command.problem);
  const { file, args, env, uid, gid } = command;
  const child = spawn(file, [...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    env,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  const exited = once(child, 'exit');
  const next = async (): Promise<[ConnectorMessage, unknown]> =>
    (await once(child, 'message')) as [ConnectorMessage, unknown];
  await next();
  return {
    child,
    next,
    tell: (message) => void child.send(message),
    async end() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
