import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SignInInvitation } from '../sign-in/sign-in-keeper.ts';

const actions = ['reconnect', 'measure', 'sign-in', 'sign-out'] as const;
/** What the person at the laptop may do on the page. */
export type Action = (typeof actions)[number];

/** Does each; returns when it is begun, or done where that is quick. A sign-in goes on where its invitation leads. */
export type Actions = Readonly<Record<Exclude<Action, 'sign-in'>, () => Promise<void> | void>> & {
  readonly 'sign-in': () => Promise<SignInInvitation>;
};

const maxBodyBytes = 1024;

/**
 * Reads the form of the page: undefined for whatever is not one of its buttons. That it is, the token proves: a new one at
 * each start of the agent, which only whoever may read the page can know.
 */
export function createFormReader(): {
  readonly token: string;
  read(request: IncomingMessage): Promise<Action | undefined>;
} {
  const token = randomBytes(32).toString('base64url');
  return {
    token,
    async read(request) {
      if (request.headers['content-type'] !== 'application/x-www-form-urlencoded') return undefined;
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of request as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > maxBodyBytes) return undefined;
        chunks.push(chunk);
      }
      const form = new URLSearchParams(Buffer.concat(chunks).toString('latin1'));
      const [shown, wished] = [form.getAll('token'), form.getAll('action')];
      if (shown.length !== 1 || wished.length !== 1 || !isSame(shown[0] ?? '', token)) return undefined;
      return actions.find((action) => action === wished[0]);
    },
  };
}

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
};
