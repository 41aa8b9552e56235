/** The cookie by which a browser without an agent shows its sign-in. `__Host-`: of this very host, by TLS, for all paths. */
export const sessionCookieName = '__Host-postern';

/** Where the control plane sends a browser back to, on the application's own host. */
export const signInPath = '/.well-known/postern/sign-in';

const isOurs = (name: string): boolean => name.trim().toLowerCase() === sessionCookieName.toLowerCase();

/** Cheap enough to ask for each request; only where it says yes is there anything to split. */
export const mayHoldSessionCookie = (field: string): boolean => /__host-postern/i.test(field);

/**
 * Splits a Cookie field (RFC 6265, section 4.2.1) into what is ours and what is the application's. Ours never reaches an
 * application, in whatever spelling.
 */
export function splitCookies(field: string): { readonly ours: readonly string[]; readonly theirs: string } {
  const ours: string[] = [];
  const theirs: string[] = [];
  for (const pair of field.split(';')) {
    const at = pair.indexOf('=');
    if (isOurs(at === -1 ? pair : pair.slice(0, at))) ours.push(at === -1 ? '' : pair.slice(at + 1).trim());
    else if (pair.trim() !== '') theirs.push(pair.trim());
  }
  return { ours, theirs: theirs.join('; ') };
}

/** Whether a Set-Cookie field of an application would set the cookie that is ours to set. */
export const setsSessionCookie = (field: string): boolean => isOurs(field.split('=', 1)[0] ?? '');

/** SameSite=Lax: sent along when another site's link leads here, not when its forms or scripts do. */
export const formatSessionCookie = (value: string, maxAgeSeconds: number): string =>
  `${sessionCookieName}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}`;
