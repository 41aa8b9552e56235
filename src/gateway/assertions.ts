import { loadSigningKey } from '../identity/signing-key.ts';
import type { SigningKey } from '../identity/signing-key.ts';
import { signAssertion } from '../identity/assertion.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';

/** An assertion lives a minute; one is used for half of it, so that the application always has half a minute left. */
const reuseSeconds = 30;

export interface Assertions {
  /** `Postern-Assertion` for this subject at this app. `now` in epoch seconds. */
  assertionFor(subject: Subject, app: App, now: number): string;
  setKey(kid: string, privateKeyPem: string): void;
}

interface Signed {
  readonly text: string;
  readonly at: number;
}

/**
 * Signing costs 50 µs, so one assertion serves a subject at an app for half a minute. The cache hangs on the two
 * objects themselves: a renewed token or a changed app is another object, and no joined key can collide.
 */
export function createAssertions(options: {
  readonly domain: () => string;
  readonly key: { readonly kid: string; readonly privateKeyPem: string };
}): Assertions {
  let key: SigningKey = loadSigningKey(options.key.kid, options.key.privateKeyPem);
  let signed = new WeakMap<Subject, WeakMap<App, Signed>>();

  return {
    assertionFor(subject, app, now) {
      let ofSubject = signed.get(subject);
      if (ofSubject === undefined) signed.set(subject, (ofSubject = new WeakMap()));
      const known = ofSubject.get(app);
      if (known !== undefined && now - known.at < reuseSeconds && now >= known.at) return known.text;
      const text = signAssertion(key, {
        domain: options.domain(),
        app: app.name,
        user: subject.token.user,
        device: subject.certificate.device,
        now,
      });
      ofSubject.set(app, { text, at: now });
      return text;
    },
    setKey(kid, privateKeyPem) {
      key = loadSigningKey(kid, privateKeyPem);
      signed = new WeakMap();
    },
  };
}
