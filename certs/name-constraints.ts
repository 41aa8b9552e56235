import { encodeDer, derTag } from './der.ts';

const context = (number: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | number;
const generalName = { dns: 2, uri: 6, address: 7 } as const;

const subtree = (name: keyof typeof generalName, value: Uint8Array): Buffer =>
  encodeDer(derTag.sequence, encodeDer(context(generalName[name], false), value));

/**
 * NameConstraints (RFC 5280, section 4.2.1.10) of the device authority: it may name devices of its own domain and
 * nothing else, so that its key, if stolen, cannot make a certificate for a web server that trusts our root.
 */
export function deviceNameConstraints(domain: string): Buffer {
  const permitted = encodeDer(context(0, true), subtree('uri', Buffer.from(domain, 'latin1')));
  const excluded = encodeDer(
    context(1, true),
    subtree('dns', Buffer.alloc(0)),
    subtree('address', Buffer.alloc(8)),
    subtree('address', Buffer.alloc(32)),
  );
  return encodeDer(derTag.sequence, permitted, excluded);
}
