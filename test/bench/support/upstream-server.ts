import { createServer } from 'node:net';

/** An application that answers 1 KiB to every GET, as cheaply as it can; says `ready PORT`, and at the end what it did. */
const body = 'x'.repeat(1024);
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);
const end = Buffer.from('\r\n\r\n');

const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let at = data.indexOf(end); at !== -1; at = data.indexOf(end)) {
      socket.write(answer);
      data = data.subarray(at + end.length);
    }
    rest = data;
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(`ready ${address.port}`);
});
