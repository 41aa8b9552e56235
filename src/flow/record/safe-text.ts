/**
 * Text of strangers (paths, hosts, user agents) as JSON that no reader can trip over: bounded, and pure ASCII, so that
 * neither a line break nor a right-to-left override nor half a surrogate can make a record look like something else.
 */

const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const notPlainAscii = /[\u007f-\uffff]/g;

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A value as one line of ASCII JSON. */
export const asciiJson = (value: unknown): string => JSON.stringify(value).replace(notPlainAscii, escapeUnit);

/** The members of an object, to be embedded between others: ASCII JSON without the braces around it. */
export const asciiMembers = (value: object): string => asciiJson(value).slice(1, -1);

/** At most `maxLength` UTF-16 units, well-formed; what was cut ends in an ellipsis. */
export function bound(text: string, maxLength: number): string {
  const whole = text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
  return whole.toWellFormed();
}

/** A bounded text as a JSON string of ASCII. Nearly all texts need no escape, which one look tells. */
export function quote(text: string, maxLength: number): string {
  if (text.length <= maxLength && plainText.test(text)) return `"${text}"`;
  return asciiJson(bound(text, maxLength));
}

const plainPath = /^[\x20\x21\x24-\x3e\x40-\x5b\x5d-\x7e]*$/;

/** Queries hold tokens and personal data. The caller cuts them off; this is the second lock on that door. */
export function pathOnly(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

/** A bounded path as a JSON string, without what may follow it. */
export const quotePath = (path: string): string =>
  path.length <= textLimits.path && plainPath.test(path)
    ? `"${path}"`
    : quote(pathOnly(path), textLimits.path);

/** What is kept of each text that a client or an application chose, in UTF-16 units. */
export const textLimits = {
  path: 2048,
  userAgent: 512,
  host: 255,
  method: 32,
  detail: 512,
  certificateName: 512,
  serial: 64,
} as const;
