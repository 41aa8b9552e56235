import { setsSessionCookie } from '../../contract/session-cookie.ts';
import { addConnectionOptions, fieldNameOf } from './field-names.ts';

export interface AnswerHead {
  /** Fields that go on to the client. */
  readonly headers: string[];
  /** The connection it came on stands for one user (NTLM, Negotiate): nobody else may use it. */
  readonly bindsConnection: boolean;
}

/** Whether a challenge or its answer signs a connection in, and not a request (NTLM, Negotiate). */
export const isConnectionBound = (value: string): boolean => /^(?:ntlm|negotiate)\b/i.test(value.trim());

/**
 * The end-to-end fields of an upstream's answer, whose framing was read before. Upstreams are not trusted: what only the
 * gateway may say is dropped.
 */
export function readAnswerHead(status: number, raw: readonly string[]): AnswerHead {
  const headers: string[] = [];
  let bindsConnection = false;
  let named: Set<string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const value = raw[index + 1] ?? '';
    switch (name) {
      case 'connection':
        addConnectionOptions(value, (named ??= new Set()));
        continue;
      case 'www-authenticate':
        bindsConnection ||= isConnectionBound(value);
        break;
      case 'content-length':
        // RFC 9110, section 8.6: not where there is never a body.
        if (status < 200 || status === 204) continue;
        break;
      case 'set-cookie':
        // Ours says who is signed in; an application must not choose that.
        if (setsSessionCookie(value)) continue;
        break;
      case 'transfer-encoding':
      case 'proxy-authorization':
      case 'te':
        continue;
      default:
        if (fieldNameOf(name).role === 'drop') continue;
    }
    headers.push(name, value);
  }
  return {
    headers: named === undefined || named.size === 0 ? headers : withoutNamed(headers, named),
    bindsConnection,
  };
}

/** Framing stays whatever Connection says of it: the length was checked and is true. */
const withoutNamed = (headers: readonly string[], named: ReadonlySet<string>): string[] => {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (named.has(name) && name !== 'content-length') continue;
    kept.push(name, headers[index + 1] ?? '');
  }
  return kept;
};

const framing = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'content-type',
  'content-encoding',
  'trailer',
  'te',
]);

/** Trailer fields that may pass, in either direction (RFC 9110, section 6.5.1): none that frames, routes or is ours. */
export function passTrailers(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const { name, role } = fieldNameOf(raw[index] ?? '');
    if (role !== 'forward' || framing.has(name)) continue;
    kept.push(name, raw[index + 1] ?? '');
  }
  return kept;
}
