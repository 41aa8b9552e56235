import { createServer } from 'node:net';

/**
 * A server that speaks first, as SSH, SMTP and MySQL do, then echoes. Arguments: address, port, greeting. Tells its port
 * over the channel, and ends with it.
 */
const [address = '127.0.0.1', port = '0', greeting = 'hello'] = process.argv.slice(2);
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write(`${greeting}\r\n`);
  socket.pipe(socket);
});
server.listen(Number(port), address, () => {
  const bound = server.address();
  process.send?.({ port: typeof bound === 'object' ? bound?.port : undefined });
});
process.once('disconnect', () => process.exit(0));
