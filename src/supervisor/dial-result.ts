import type { DialFailure } from '../contract/ipc.ts';
import type { SocketHandle } from '../routing/wrap-handle.ts';

/** What became of a dial. The handle is the receiver's to free. */
export type DialResult =
  | { readonly network: string; readonly address: string; readonly handle: SocketHandle }
  | { readonly failure: DialFailure; readonly detail: string };
