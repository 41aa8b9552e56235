import type { ExpectedProtocol } from '../../domain/expected-protocol.ts';
import { createDnsRecognizer } from './dns.ts';
import { createHttpRecognizer } from './http.ts';
import { createPostgresRecognizer } from './postgres.ts';
import { createRdpRecognizer } from './rdp.ts';
import type { Recognizer, Side } from './recognizer.ts';
import { createSmbRecognizer } from './smb.ts';
import { createSshRecognizer } from './ssh.ts';
import { createHelloRecognizer, createServerHelloRecognizer, createTlsRecognizer } from './tls.ts';

/** What looks at the first bytes of one tunnel. @param serverNames for which TLS may be asked, in lower case. */
export function createRecognizer(protocol: ExpectedProtocol, serverNames: ReadonlySet<string>): Recognizer {
  return protocol === 'tls' ? createTlsRecognizer(serverNames) : others[protocol]();
}

type StreamProtocol = Exclude<ExpectedProtocol, 'dns' | 'tls'>;

const ofStreams: Readonly<Record<StreamProtocol, () => Recognizer>> = {
  ssh: createSshRecognizer,
  rdp: createRdpRecognizer,
  postgres: createPostgresRecognizer,
  smb: createSmbRecognizer,
  http: createHttpRecognizer,
};
const others = { ...ofStreams, dns: createDnsRecognizer };

/** A datagram of DNS has no mark of its own: of what comes in a stream nothing is guessed to be one. */
const guesses: Readonly<Record<string, () => Recognizer>> = {
  // For whatever name.
  tls: () => ({ client: createHelloRecognizer(() => undefined), upstream: createServerHelloRecognizer() }),
  ...ofStreams,
};

/** What the first bytes of one side of a tunnel look like, as far as they tell. */
export function guessProtocol(side: Side, bytes: Uint8Array): ExpectedProtocol | 'unknown' {
  for (const [protocol, create] of Object.entries(guesses)) {
    const reading = create()[side](bytes);
    if (reading === 'yes' || reading === 'pass') return protocol as ExpectedProtocol;
  }
  return 'unknown';
}
