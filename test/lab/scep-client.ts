import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import forge from 'node-forge';
import { openssl } from './openssl.ts';

/**
 * A device that speaks SCEP, none of it with our code: keys, requests, envelopes and signatures are made and read by the command of
 * OpenSSL; the signed attributes of SCEP, which that cannot set, by another ASN.1 library.
 */
const { asn1 } = forge;
const scepOid = (last: number): string => `2.16.840.1.113733.1.9.${last}`;
const attributeNumbers = {
  messageType: 2,
  pkiStatus: 3,
  failInfo: 4,
  senderNonce: 5,
  recipientNonce: 6,
  transactionId: 7,
};
export type AttributeName = keyof typeof attributeNumbers;

export interface ScepAnswer {
  readonly status: number;
  readonly type: string;
  readonly bytes: Buffer;
}
export interface CertRep {
  readonly attributes: Partial<Record<AttributeName, string>>;
  /** Leaf first; none of a failure. */
  readonly chainPem: string;
}
export interface MessageOptions {
  readonly type?: string;
  readonly challenge?: string;
  readonly hash?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly cipher?: string;
  readonly oaep?: true;
  /** The envelope in BER, with lengths that are indefinite and strings in pieces. */
  readonly indefinite?: true;
  /** The envelope instead of that of its own request. */
  readonly envelope?: Buffer;
  /** Certificate and key that sign, instead of a self-signed one of the request's key. */
  readonly signer?: { readonly chainPem: string; readonly keyPem: string };
  readonly leaveOut?: AttributeName;
  readonly nonce?: string;
}

const run = (args: readonly string[]): string => {
  const { code, out, err } = openssl(args);
  if (code !== 0) throw new Error(`openssl ${args.join(' ')}: ${err}`);
  return out;
};

export function createScepClient(server: { readonly port: number; readonly rootPem: string }) {
  const directory = mkdtempSync(join(tmpdir(), 'scep-client-'));
  let files = 0;
  const file = (content?: string | Buffer): string => {
    const path = join(directory, String((files += 1)));
    if (content !== undefined) writeFileSync(path, content);
    return path;
  };
  async function ask(method: string, query: string, body?: Buffer, type?: string): Promise<ScepAnswer> {
    const outgoing = request({
      ...{ host: '127.0.0.1', port: server.port, servername: 'localhost', ca: server.rootPem, agent: false },
      ...{ method, path: `/v1/scep${query}` },
      headers: {
        ...(body === undefined ? {} : { 'content-length': body.length }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
    });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const bytes = Buffer.concat((await response.toArray()) as Buffer[]);
    return { status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', bytes };
  }
  const post = (message: Buffer, type: string | undefined = 'application/x-pki-message') =>
    ask('POST', '?operation=PKIOperation', message, type);

  const keyFile = file();
  run(['genrsa', '-out', keyFile, '2048']);
  const keyPem = readFileSync(keyFile, 'utf8');
  const selfSigned = (key: string): string =>
    run(['req', '-x509', '-key', key, '-subj', '/CN=phone', '-days', '1']);
  const ownPem = selfSigned(keyFile);

  let registrationFile: string | undefined;
  /** GetCACert; the first certificate is that of the registration authority. */
  async function fetchCertificates(): Promise<string> {
    const { bytes } = await ask('GET', '?operation=GetCACert');
    return run(['pkcs7', '-inform', 'DER', '-in', file(bytes), '-print_certs']);
  }

  function makeCsr(challenge: string | undefined, key = keyFile): Buffer {
    const config = file(
      `[req]\nprompt=no\ndistinguished_name=dn\n${challenge === undefined ? '' : 'attributes=at\n'}[dn]\nCN=phone\n[at]\n${
        challenge === undefined ? '' : `challengePassword=${challenge}\n`
      }`,
    );
    const out = file();
    run(['req', '-new', '-key', key, '-config', config, '-outform', 'DER', '-out', out]);
    return readFileSync(out);
  }

  async function seal(
    content: Buffer,
    { cipher = '-aes128', oaep, indefinite }: MessageOptions = {},
  ): Promise<Buffer> {
    registrationFile ??= file(await fetchCertificates());
    const out = file();
    run([
      ...['cms', '-encrypt', '-binary', '-outform', 'DER', cipher, '-in', file(content), '-out', out],
      ...['-recip', registrationFile],
      ...(indefinite === true ? ['-stream'] : []),
      ...(oaep === true ? ['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'] : []),
    ]);
    return readFileSync(out);
  }

  /** A pkiMessage, to be posted. */
  async function message(options: MessageOptions = {}): Promise<Buffer> {
    const { type = '19', hash = 'sha256', signer, nonce = randomBytes(16).toString('latin1') } = options;
    const content = options.envelope ?? (await seal(makeCsr(options.challenge), options));
    const key = signer === undefined ? keyFile : file(signer.keyPem);
    const certificate = asn1.fromDer(forge.pem.decode(signer?.chainPem ?? ownPem)[0]?.body ?? '');
    const { Class, Type } = asn1;
    const sequence = (...value: forge.asn1.Asn1[]) =>
      asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, value);
    const set = (...value: forge.asn1.Asn1[]) => asn1.create(Class.UNIVERSAL, Type.SET, true, value);
    const primitive = (kind: forge.asn1.Type, value: string) =>
      asn1.create(Class.UNIVERSAL, kind, false, value);
    const oid = (name: string) => primitive(Type.OID, asn1.oidToDer(name).getBytes());
    const algorithm = (name: string) => sequence(oid(name), primitive(Type.NULL, ''));
    const explicit = (...value: forge.asn1.Asn1[]) =>
      asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, value);
    const digestOid = {
      sha1: '1.3.14.3.2.26',
      sha256: '2.16.840.1.101.3.4.2.1',
      sha384: '2.16.840.1.101.3.4.2.2',
      sha512: '2.16.840.1.101.3.4.2.3',
    }[hash];
    const text = (value: string) => primitive(Type.PRINTABLESTRING, value);
    const all: [AttributeName | undefined, string, forge.asn1.Asn1][] = [
      [undefined, '1.2.840.113549.1.9.3', oid('1.2.840.113549.1.7.1')],
      [
        undefined,
        '1.2.840.113549.1.9.4',
        primitive(Type.OCTETSTRING, createHash(hash).update(content).digest('latin1')),
      ],
      ['transactionId', scepOid(7), text(createHash('sha256').update(ownPem).digest('hex'))],
      ['messageType', scepOid(2), text(type)],
      ['senderNonce', scepOid(5), primitive(Type.OCTETSTRING, nonce)],
    ];
    const encoded = all
      .filter(([name]) => name === undefined || name !== options.leaveOut)
      .map(([, id, value]) => sequence(oid(id), set(value)))
      .map((attribute) => ({ attribute, der: asn1.toDer(attribute).getBytes() }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.der, 'latin1'), Buffer.from(b.der, 'latin1')))
      .map(({ attribute }) => attribute);
    const signedFile = file(Buffer.from(asn1.toDer(set(...encoded)).getBytes(), 'latin1'));
    const signatureFile = file();
    run(['dgst', `-${hash}`, '-sign', key, '-out', signatureFile, signedFile]);
    const [tbs] = certificate.value as forge.asn1.Asn1[];
    const [, serial, , issuer] = (tbs?.value ?? []) as forge.asn1.Asn1[];
    if (serial === undefined || issuer === undefined) throw new TypeError('no certificate');
    const data = sequence(
      primitive(Type.INTEGER, '\u0001'),
      set(algorithm(digestOid)),
      sequence(
        oid('1.2.840.113549.1.7.1'),
        explicit(primitive(Type.OCTETSTRING, content.toString('latin1'))),
      ),
      explicit(certificate),
      set(
        sequence(
          primitive(Type.INTEGER, '\u0001'),
          sequence(issuer, serial),
          algorithm(digestOid),
          explicit(...encoded),
          algorithm('1.2.840.113549.1.1.1'),
          primitive(Type.OCTETSTRING, readFileSync(signatureFile, 'latin1')),
        ),
      ),
    );
    const der = asn1.toDer(sequence(oid('1.2.840.113549.1.7.2'), explicit(data))).getBytes();
    return Buffer.from(der, 'latin1');
  }

  /** Reads a CertRep, whose signature OpenSSL verifies down to the authority, and opens its envelope. */
  function open(certRep: Buffer, authorityPem: string, key = { chainPem: ownPem, keyPem }): CertRep {
    const input = file(certRep);
    const envelope = file();
    const attributes: Partial<Record<AttributeName, string>> = {};
    for (const [name, number] of Object.entries(attributeNumbers)) {
      const id = `06 0a 60 86 48 01 86 f8 45 01 09 0${number} 31`.replaceAll(' ', '');
      const at = certRep.toString('hex').indexOf(id);
      if (at < 0) continue;
      const value = certRep.subarray(at / 2 + id.length / 2 + 1);
      attributes[name as AttributeName] = value.toString('latin1', 2, 2 + (value[1] ?? 0));
    }
    run([
      ...['cms', '-verify', '-inform', 'DER', '-binary', '-in', input, '-out', envelope],
      ...['-CAfile', file(authorityPem), '-purpose', 'any'],
      // A failure has no content, and so OpenSSL wants to be told that it is empty.
      ...(attributes.pkiStatus === '0' ? [] : ['-content', '/dev/null']),
    ]);
    if (attributes.pkiStatus !== '0') return { attributes, chainPem: '' };
    const degenerate = file();
    run([
      ...['cms', '-decrypt', '-inform', 'DER', '-binary', '-in', envelope, '-out', degenerate],
      ...['-inkey', file(key.keyPem), '-recip', file(key.chainPem)],
    ]);
    const printed = run(['pkcs7', '-inform', 'DER', '-in', degenerate, '-print_certs']);
    const chain = printed.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
    return { attributes, chainPem: chain.join('') };
  }

  return {
    ask,
    post,
    fetchCertificates,
    makeCsr,
    seal,
    message,
    open,
    keyPem,
    ownPem,
    remove: () => rmSync(directory, { recursive: true }),
  };
}
export type ScepClient = ReturnType<typeof createScepClient>;
