import { hash } from 'node:crypto';
import type { ClientHello } from './client-hello.ts';

/** A fingerprint of a TLS client (JA4, FoxIO): its parts, and all of it. The same for all connections of a program, as a rule. */
export interface Ja4 {
  readonly value: string;
  /** Protocol and version, whether it names a server, how much it offers, and the first application protocol. */
  readonly a: string;
  /** Of the cipher suites. */
  readonly b: string;
  /** Of extensions and signature algorithms. */
  readonly c: string;
}

const serverName = 0;
const applicationProtocols = 16;

/** As https://github.com/FoxIO-LLC/ja4 describes it in technical_details, of TLS over TCP. */
export function ja4Of(hello: ClientHello): Ja4 {
  const ciphers = withoutGrease(hello.cipherSuites);
  const extensions = withoutGrease(hello.extensions);
  const algorithms = withoutGrease(hello.signatureAlgorithms);
  const a =
    `t${versionOf(hello)}${extensions.includes(serverName) ? 'd' : 'i'}${countOf(ciphers)}${countOf(extensions)}` +
    protocolOf(hello.applicationProtocols[0] ?? '');
  const b = digestOf(sorted(ciphers));
  // Which these two are varies with where a program goes, and is in the first part.
  const listed = sorted(extensions.filter((type) => type !== serverName && type !== applicationProtocols));
  const named = algorithms.length === 0 ? '' : `_${algorithms.map(hex).join(',')}`;
  const c = listed === '' ? nothing : digestOf(`${listed}${named}`);
  return { value: `${a}_${b}_${c}`, a, b, c };
}

/** Values that only test whether servers ignore them (RFC 8701): 0x0a0a, 0x1a1a, … 0xfafa. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
const withoutGrease = (values: readonly number[]): readonly number[] =>
  values.filter((value) => !isGrease(value));

const versions: Readonly<Record<number, string>> = {
  0x0304: '13',
  0x0303: '12',
  0x0302: '11',
  0x0301: '10',
  0x0300: 's3',
};

function versionOf({ legacyVersion, supportedVersions }: ClientHello): string {
  const offered = withoutGrease(supportedVersions);
  return versions[offered.length === 0 ? legacyVersion : Math.max(...offered)] ?? '00';
}

/** Two digits. */
const countOf = (values: readonly number[]): string => String(Math.min(values.length, 99)).padStart(2, '0');
const hex = (value: number): string => value.toString(16).padStart(4, '0');
const sorted = (values: readonly number[]): string => values.map(hex).toSorted().join(',');

const nothing = '000000000000';
const digestOf = (text: string): string =>
  text === '' ? nothing : hash('sha256', text, 'hex').slice(0, nothing.length);

/** Its first and last character; of their hexadecimal digits where one of them is no letter and no digit. */
function protocolOf(name: string): string {
  if (name === '') return '00';
  const ends = `${name.charAt(0)}${name.charAt(name.length - 1)}`;
  if (/^[0-9A-Za-z]{2}$/.test(ends)) return ends;
  const digits = Buffer.from(name, 'latin1').toString('hex');
  return `${digits.charAt(0)}${digits.charAt(digits.length - 1)}`;
}
