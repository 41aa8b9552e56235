/**
 * What rules do to a value before they look at it, so that the same attack in another writing is the same text. Values are
 * octets: strings of characters up to U+00FF. Most values need nothing, so each looks first for what it is about.
 */
export type Transformation = (value: string) => string;

/** Of ASCII letters alone: beyond them stand octets, not letters. */
export const lowerCase = (value: string): string =>
  /[A-Z]/.test(value) ? value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : value;

const hex = /^[0-9a-fA-F]+$/;
const isHex = (text: string, length: number): boolean => text.length === length && hex.test(text);
const octet = (code: number): string => String.fromCharCode(code & 0xff);

/** `%HH` and `+`; what is no escape stays as it is. */
export function decodeUrl(value: string): string {
  if (!value.includes('%') && !value.includes('+')) return value;
  return value
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => octet(Number.parseInt(digits, 16)));
}

/** The same with `%uHHHH`, as Microsoft's servers read it; fullwidth letters count as plain ones. */
export function decodeUrlUnicode(value: string): string {
  if (!value.includes('%') && !value.includes('+')) return value;
  return value
    .replaceAll('+', ' ')
    .replace(/%(?:[uU]([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))/g, (_, wide?: string, narrow?: string) =>
      wide === undefined ? octet(Number.parseInt(narrow ?? '', 16)) : narrowed(wide),
    );
}

const narrowed = (digits: string): string => {
  const code = Number.parseInt(digits, 16);
  return octet(code > 0xff00 && code < 0xff5f ? (code & 0xff) + 0x20 : code);
};

/** UTF-8 of more than one octet as `%uHHHH`, in which the transformations after it find it. */
function escapeUtf8(value: string): string {
  if (!/[\x80-\xff]/.test(value)) return value;
  return value.replace(
    /[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}/g,
    (sequence) => {
      const first = sequence.charCodeAt(0);
      let code = first & (0xff >> (sequence.length + 1));
      for (let at = 1; at < sequence.length; at += 1) code = (code << 6) | (sequence.charCodeAt(at) & 0x3f);
      return `%u${code.toString(16).padStart(4, '0')}`;
    },
  );
}

const entities: Readonly<Record<string, string>> = {
  quot: '"',
  amp: '&',
  lt: '<',
  gt: '>',
  nbsp: '\xa0',
  apos: "'",
  tab: '\t',
  newline: '\n',
  colon: ':',
  lpar: '(',
  rpar: ')',
};

function decodeEntities(value: string): string {
  if (!value.includes('&')) return value;
  return value.replace(
    /&(?:#[xX]([0-9a-fA-F]{1,8});?|#([0-9]{1,8});?|([A-Za-z]{2,7});?)/g,
    (whole, hexadecimal?: string, decimal?: string, name?: string) => {
      if (hexadecimal !== undefined) return octet(Number.parseInt(hexadecimal, 16));
      if (decimal !== undefined) return octet(Number(decimal));
      return entities[(name ?? '').toLowerCase()] ?? whole;
    },
  );
}

const plainEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function decodeJavaScript(value: string): string {
  if (!value.includes('\\')) return value;
  return value.replace(
    /\\(?:u([0-9a-fA-F]{4})|u\{0*([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([0-3]?[0-7]{1,2})|([\s\S]))/g,
    (_, wide?: string, braced?: string, narrow?: string, octal?: string, other?: string) => {
      if (wide !== undefined) return narrowed(wide);
      if (braced !== undefined) return narrowed(braced.padStart(4, '0'));
      if (narrow !== undefined) return octet(Number.parseInt(narrow, 16));
      if (octal !== undefined) return octet(Number.parseInt(octal, 8));
      return plainEscapes[other ?? ''] ?? other ?? '';
    },
  );
}

function decodeStyleSheet(value: string): string {
  if (!value.includes('\\')) return value;
  return value.replace(/\\(?:([0-9a-fA-F]{1,6})\s?|\n|([\s\S]))/g, (_, digits?: string, other?: string) => {
    if (digits === undefined) return other ?? '';
    return digits.length < 4 ? octet(Number.parseInt(digits.slice(-2), 16)) : narrowed(digits.slice(-4));
  });
}

function decodeEscapes(value: string): string {
  if (!value.includes('\\')) return value;
  return value.replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-3]?[0-7]{1,2})|([\\?'"abfnrtv]))/g,
    (_, narrow?: string, octal?: string, other?: string) => {
      if (narrow !== undefined) return octet(Number.parseInt(narrow, 16));
      if (octal !== undefined) return octet(Number.parseInt(octal, 8));
      return plainEscapes[other ?? ''] ?? other ?? '';
    },
  );
}

function decodeHex(value: string): string {
  return isHex(value, value.length) && value.length % 2 === 0
    ? value.replace(/../g, (pair) => octet(Number.parseInt(pair, 16)))
    : value;
}

const decodeSqlHex = (value: string): string =>
  value.includes('0x') ? value.replace(/0x((?:[0-9a-fA-F]{2})+)/g, (_, d: string) => decodeHex(d)) : value;

/** As far as it can be decoded; characters of no meaning are passed over only where the rule says so. */
function decodeBase64(value: string, isLenient: boolean): string {
  const text = isLenient ? value.replace(/[^A-Za-z0-9+/]/g, '') : (/^[A-Za-z0-9+/]*/.exec(value)?.[0] ?? '');
  try {
    return atob(text.slice(0, text.length - (text.length % 4 === 1 ? 1 : 0)));
  } catch {
    return value;
  }
}

/** What shells and cmd.exe pass over, taken out; blanks and separators as one blank. */
function normalizeCommand(value: string): string {
  return lowerCase(
    value
      .replace(/[\\"'^]/g, '')
      .replace(/[,;\s]+/g, ' ')
      .replace(/ (?=[/(])/g, ''),
  );
}

function normalizePath(value: string): string {
  if (!/\/[./]|^\.\.?\//.test(value)) return value;
  const isAbsolute = value.startsWith('/');
  const kept: string[] = [];
  for (const part of value.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (part !== '..' || !isAbsolute) kept.push(part);
  }
  const end = /\/(?:\.{1,2})?$/.test(value) && kept.length > 0 ? '/' : '';
  return `${isAbsolute ? '/' : ''}${kept.join('/')}${end}`;
}

/** One that is not closed reaches to the end. */
const replaceComments = (value: string): string =>
  value.includes('/*') ? value.replace(/\/\*[\s\S]*?(?:\*\/|$)/g, ' ') : value;

const removeCommentMarks = (value: string): string => value.replace(/\/\*|\*\/|--|#|<!--|-->/g, '');

const whitespace = /[\t\n\v\f\r \xa0]/;

export const transformations: Readonly<Record<string, Transformation>> = {
  lowercase: lowerCase,
  uppercase: (value) => value.replace(/[a-z]+/g, (letters) => letters.toUpperCase()),
  urldecode: decodeUrl,
  urldecodeuni: decodeUrlUnicode,
  utf8tounicode: escapeUtf8,
  htmlentitydecode: decodeEntities,
  jsdecode: decodeJavaScript,
  cssdecode: decodeStyleSheet,
  escapeseqdecode: decodeEscapes,
  hexdecode: decodeHex,
  sqlhexdecode: decodeSqlHex,
  hexencode: (value) => value.replace(/[\s\S]/g, (one) => one.charCodeAt(0).toString(16).padStart(2, '0')),
  base64decode: (value) => decodeBase64(value, false),
  base64decodeext: (value) => decodeBase64(value, true),
  cmdline: normalizeCommand,
  normalisepath: normalizePath,
  normalizepath: normalizePath,
  normalisepathwin: (value) => normalizePath(value.replaceAll('\\', '/')),
  normalizepathwin: (value) => normalizePath(value.replaceAll('\\', '/')),
  removenulls: (value) => (value.includes('\0') ? value.replaceAll('\0', '') : value),
  replacenulls: (value) => (value.includes('\0') ? value.replaceAll('\0', ' ') : value),
  compresswhitespace: (value) => (whitespace.test(value) ? value.replace(/[\s\xa0]+/g, ' ') : value),
  removewhitespace: (value) => (whitespace.test(value) ? value.replace(/[\s\xa0]+/g, '') : value),
  replacecomments: replaceComments,
  removecommentschar: removeCommentMarks,
  trim: (value) => value.trim(),
  trimleft: (value) => value.trimStart(),
  trimright: (value) => value.trimEnd(),
  length: (value) => String(value.length),
};
