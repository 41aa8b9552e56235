import { createServer } from 'node:net';
import process from 'node:process';

/** Greets whoever connects to one of the ports in the arguments, in the namespace that it was started in. */
for (const port of process.argv.slice(2)) {
  await new Promise<void>((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.write(`port ${port}\n`);
    });
    server.listen(Number(port), '::', resolve);
  });
}
process.send?.('listening');
process.once('disconnect', () => process.exit(0));
