import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { AgentError, describeError } from '../agent-error.ts';
import { isTpmKey } from './tpm-key.ts';

/** What a client proves itself with, and whom it trusts in return. */
export interface ClientCertificate {
  readonly authorityPem: string;
  readonly chainPem: string;
  readonly keyPem: string;
}

/** The TPM does not sign with the key of this laptop. Nothing that the other side said. */
export class KeyUnusable extends Error {
  override readonly name = 'KeyUnusable';
  readonly kind: 'tpm-unreachable' | 'tpm-key-foreign';
  constructor(kind: KeyUnusable['kind'], cause: unknown) {
    super(describeError(cause), { cause });
    this.kind = kind;
  }
}

/** The same, for a person. */
export const explainKey = (error: KeyUnusable): AgentError =>
  // Another TPM stays another one; one that is away may come back.
  new AgentError(error.kind === 'tpm-key-foreign' ? 2 : 1, error.kind, { reason: error.message }, error);

const contexts = new WeakMap<ClientCertificate, SecureContext>();

/**
 * The TLS context of a client certificate, made once: each that is made loads the key into the TPM, which has room for
 * three.
 * @throws KeyUnusable
 */
export function clientContext(client: ClientCertificate): SecureContext {
  const known = contexts.get(client);
  if (known !== undefined) return known;
  try {
    const { authorityPem, chainPem, keyPem } = client;
    const made = createSecureContext({
      ca: authorityPem,
      cert: chainPem,
      key: keyPem,
      minVersion: 'TLSv1.3',
    });
    contexts.set(client, made);
    return made;
  } catch (error) {
    if (!isTpmKey(client.keyPem)) throw error;
    // The integrity of what one TPM wrapped is no other's to confirm.
    const isForeign = (error as NodeJS.ErrnoException).code === 'ERR_OSSL_CANNOT_LOAD_KEY';
    throw new KeyUnusable(isForeign ? 'tpm-key-foreign' : 'tpm-unreachable', error);
  }
}

/** Of a server that wants a certificate and was shown none (RFC 8446, section 6.2). */
const certificateRequired = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED';

/**
 * What a failure to get through says of our own key, where it says anything: OpenSSL shows no certificate at all where
 * the TPM cannot even be asked about the key. The key is loaded anew for the next attempt: a TPM that was reset, as by
 * hibernation, has forgotten it.
 */
export function keyFailure(client: ClientCertificate | undefined, error: unknown): KeyUnusable | undefined {
  if (client === undefined || !isTpmKey(client.keyPem) || !(error instanceof Error)) return undefined;
  const code = (error as { problem?: { code?: string } }).problem?.code ?? (error as { code?: string }).code;
  const isShownNone = code === certificateRequired || code === 'certificate-missing';
  if (!isShownNone && !error.message.includes(':tpm2:')) return undefined;
  contexts.delete(client);
  return new KeyUnusable('tpm-unreachable', error);
}
