import { createPublicKey } from 'node:crypto';
import { expect, it } from 'vitest';
import { isTpmKey, tpmPublicKey } from '../../agent/keys/tpm-key.ts';
import { decodePem, encodePem } from '../../certs/pem.ts';

const label = 'TSS2 PRIVATE KEY';
/** As `openssl genpkey -provider tpm2` wrote it, with what `openssl pkey -pubout` says of it. */
const pem = `-----BEGIN TSS2 PRIVATE KEY-----
MIHwBgZngQUKAQOgAwEBAQIEQAAAAQRYAFYAIwALAAYAcgAAABAAEAADABAAIMjh
aBCybPzgESY0qxJ9Aqt0MmsI2E5j2QA6jfjCxpzlACAoMrZDxbhvTXzoLR2IXjZ5
0o57ebjwfYasr0fyk6i+zwSBgAB+ACB/txLP6Qo1NfLvTQrHQmNaW6R1EfTQ5i5B
V0I7aIp+ZAAQguyCIEQw2KXEg3YaSdzFFUPLJy0mWvAmItIFfHT0MsN63HfW2MXN
6MPcmNuV+G+JRJ8ZnqqVqN0dRn+6eMxYXAMAOKzLI9NjBC87AbLLderJ6t3m8RRq
uY/O
-----END TSS2 PRIVATE KEY-----
`;
const publicPem = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyOFoELJs/OARJjSrEn0Cq3QyawjY
TmPZADqN+MLGnOUoMrZDxbhvTXzoLR2IXjZ50o57ebjwfYasr0fyk6i+zw==
-----END PUBLIC KEY-----
`;

/** The sample with some of its bytes others, found by what they are. */
function changed(from: string, to: string): string {
  const hex = decodePem(pem, label)?.toString('hex') ?? '';
  expect(hex.split(from)).toHaveLength(2);
  return encodePem(Buffer.from(hex.replace(from, to), 'hex'), label);
}

it('reads the public half of a key in a TPM without the TPM', () => {
  expect(isTpmKey(pem)).toBe(true);
  expect(tpmPublicKey(pem).equals(createPublicKey(publicPem))).toBe(true);
  expect(isTpmKey(publicPem)).toBe(false);
});

it.each([
  ['may leave its TPM', '000b00060072', '000b00060060'],
  ['was made outside of it', '000b00060072', '000b00060052'],
  ['signs nothing', '000b00060072', '000b00020072'],
  ['is on another curve', '00100010000300100020', '00100010000400100020'],
  ['is of RSA', '00560023000b', '00560001000b'],
  ['is for another scheme', '00100010000300100020', '00100018000300100020'],
  ['says another length than it has', '00560023000b', '00550023000b'],
  ['is longer than it is', '00100010000300100020', '00100010000300100fff'],
  ['is of another type', '6781050a0103', '6781050a0104'],
])('takes no key that %s', (_, from, to) => {
  expect(() => tpmPublicKey(changed(from, to))).toThrow(/TPM|outside/);
});

it.each([
  ['cut short', pem.replace(/\n3AfB.*|\nuY\/O\n/, '\n')],
  ['empty', ''],
  ['with something behind it', `${pem}x`],
  ['off its curve', changed('c8e16810', 'c8e16811')],
])('takes none that is %s', (_, text) => {
  expect(() => tpmPublicKey(text)).toThrow();
});
