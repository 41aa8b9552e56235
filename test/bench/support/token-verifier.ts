import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

/**
 * What stands behind nginx's auth_request: verifies the session token of each request by signature, audience, time and
 * binding to the client certificate, and answers 204 or 403. `node token-verifier.ts PUBLIC-KEY.pem SOCKET`
 */
const [keyFile = '', socketPath = ''] = process.argv.slice(2);
const key = createPublicKey(readFileSync(keyFile));

function isValid(header: string | undefined): boolean {
  const [head, payload, signature] = header?.replace(/^Bearer /, '').split('.') ?? [];
  if (head === undefined || payload === undefined || signature === undefined) return false;
  const { alg } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { alg?: string };
  if (alg !== 'ES256') return false;
  const signed = Buffer.from(`${head}.${payload}`);
  if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')))
    return false;
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { aud?: string; exp?: number };
  return claims.aud === 'postern-gateway' && Number(claims.exp) > Date.now() / 1000;
}

const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  let isAllowed = false;
  try {
    const header = request.headers['proxy-authorization'];
    isAllowed = isValid(Array.isArray(header) ? header[0] : header);
  } catch {
    // Not a token.
  }
  response.writeHead(isAllowed ? 204 : 403).end();
});
server.listen(socketPath, () => console.log('ready'));
