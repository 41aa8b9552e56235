import { spawn } from 'node:child_process';
import type { ChildProcess, Serializable } from 'node:child_process';

/** A program with its arguments, none of which passes a shell. */
export interface Command {
  /** Absolute: a privileged process has no search path that others could stand in. */
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
}

/** Why a child is no longer there, in words for the log. */
export type ChildEnd = { readonly code: number | null; readonly detail: string };

/** A process that was started, with a channel of typed messages. */
export interface Child<Sent> {
  readonly pid: number | undefined;
  /**
   * `handle` is a raw handle; it may be freed when `sent` is called, which happens exactly once, also when the message
   * goes nowhere because the child is gone (then with an error). Never throws.
   */
  send(message: Sent, handle?: unknown, sent?: (error: Error | null) => void): void;
  /** Closes the channel, which ends a connector; others end when told. */
  disconnect(): void;
  kill(): void;
  /** Waits for the end of one that was told to end, and kills it after so many milliseconds. Resolves when it is gone. */
  endWithin(milliseconds: number): Promise<void>;
  readonly ended: Promise<ChildEnd>;
}

export interface ChildHooks<Received> {
  readonly onMessage: (message: Received, handle: unknown) => void;
  /** After its last message. */
  readonly onEnd: (end: ChildEnd) => void;
}

/** How long an ended child's last messages may still be on their way. */
const lastMessagesMs = 1000;

type RawSend = (message: Serializable, handle: unknown, sent: (error: Error | null) => void) => boolean;

/** Starts a child. One that cannot even be started ends like one that exits at once: with `onEnd`, later. */
export function startChild<Sent, Received>(command: Command, hooks: ChildHooks<Received>): Child<Sent> {
  const { file, args, env, uid, gid } = command;
  const process_: ChildProcess = spawn(file, [...args], {
    // Standard output is the supervisor's own: scripts wait there for its one line.
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
    env: { ...env },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  const { promise: ended, resolve } = Promise.withResolvers<ChildEnd>();
  let hasEnded = false;
  // Node forgets the callbacks of messages that wait behind a handle when the channel closes, and with them the handles.
  const unsent = new Set<(error: Error | null) => void>();
  const end = (result: ChildEnd): void => {
    if (hasEnded) return;
    hasEnded = true;
    for (const sent of unsent) sent(new Error(`the child ended: ${result.detail}`));
    hooks.onEnd(result);
    resolve(result);
  };
  process_.on('message', hooks.onMessage as (message: Serializable, handle: unknown) => void);
  process_.on('error', (error) => {
    // Also for a message that could not be sent, which `exit` will explain.
    if (process_.pid === undefined) end({ code: null, detail: error.message });
  });
  process_.once('exit', (code, signal) => {
    const result = { code, detail: signal === null ? `exit code ${code}` : `signal ${signal}` };
    if (!process_.connected) return end(result);
    const timer = setTimeout(() => end(result), lastMessagesMs);
    process_.once('disconnect', () => {
      clearTimeout(timer);
      end(result);
    });
  });
  return {
    pid: process_.pid,
    send(message, handle, sent = () => undefined) {
      if (!process_.connected || hasEnded) return sent(new Error('the channel is closed'));
      const once = (error: Error | null): void => {
        if (unsent.delete(once)) sent(error);
      };
      unsent.add(once);
      (process_.send as unknown as RawSend).call(process_, message as Serializable, handle, once);
    },
    disconnect() {
      if (process_.connected) process_.disconnect();
    },
    kill: () => void process_.kill('SIGKILL'),
    async endWithin(milliseconds) {
      const timer = setTimeout(() => void process_.kill('SIGKILL'), milliseconds);
      await ended;
      clearTimeout(timer);
    },
    ended,
  };
}
