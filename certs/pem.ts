const shape = /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----[\r\n]*$/;

/** The bytes of exactly one PEM block with this label and nothing round it (RFC 7468, strict); undefined otherwise. */
export function decodePem(pem: string, label: string): Buffer | undefined {
  const match = shape.exec(pem);
  if (match?.[1] !== label) return undefined;
  const text = (match[2] ?? '').replaceAll(/[\r\n]/g, '');
  const bytes = Buffer.from(text, 'base64');
  // Node skips what it does not understand; only the canonical encoding comes out the same again.
  return bytes.toString('base64') === text ? bytes : undefined;
}

export function encodePem(der: Uint8Array, label: string): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
