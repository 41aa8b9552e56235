import type { Redis } from 'ioredis';

/**
 * The client library hears the first error of a socket. One under TLS may have a second (a certificate for another name,
 * then the alert of a server that was left in the handshake), which without this would end the process.
 */
export function hearLaterErrors(client: Redis): void {
  client.on('error', () => {
    (client.stream as Redis['stream'] | undefined)?.on('error', () => undefined);
  });
}
