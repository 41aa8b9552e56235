import { isIPv6 } from 'node:net';
import type { Settings } from '../contract/settings.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import { signAssertion } from '../identity/assertion.ts';
import type { SigningKey } from '../identity/signing-key.ts';
import type { Exchange } from './exchange.ts';

const assertionReuseSeconds = 30;

/** Adds what the application is told of who asks. Called once, last, on headers that were stripped of such names. */
export interface ForwardedHeaders {
  add(exchange: Exchange, subject: Subject, app: App, nowSeconds: number): string[];
}

export function createForwardedHeaders(domain: Settings['domain'], key: () => SigningKey): ForwardedHeaders {
  // An assertion names subject and app, so it is signed once for the two and used for half of its life.
  const assertions = new WeakMap<Subject, WeakMap<App, { value: string; until: number }>>();

  function assertionFor(subject: Subject, app: App, now: number): string {
    let byApp = assertions.get(subject);
    if (byApp === undefined) assertions.set(subject, (byApp = new WeakMap()));
    const known = byApp.get(app);
    if (known !== undefined && known.until > now) return known.value;
    const { user, device } = subject.token;
    const value = signAssertion(key(), { domain, app: app.name, user, device, now });
    byApp.set(app, { value, until: now + assertionReuseSeconds });
    return value;
  }

  return {
    add(exchange, subject, app, now) {
      const { address } = exchange.origin.connection.facts.source;
      const { authority, scheme } = exchange;
      const forwarded = exchange.headers?.forward ?? [];
      const quoted = isIPv6(address) ? `"[${address}]"` : address;
      forwarded.push(
        'host',
        authority,
        'x-forwarded-for',
        address,
        'x-forwarded-host',
        authority,
        'x-forwarded-proto',
        scheme,
        'forwarded',
        `for=${quoted};host="${authority}";proto=${scheme}`,
        'via',
        `${exchange.httpVersion} postern`,
        'postern-user',
        subject.token.user,
        'postern-device',
        subject.token.device,
        'postern-flow-id',
        exchange.id,
        'postern-assertion',
        assertionFor(subject, app, now),
      );
      return forwarded;
    },
  };
}
