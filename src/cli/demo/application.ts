import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { WebSocketServer } from 'ws';

/**
 * The two applications behind the demo's gate, each started inside its private network:
 * `application.ts grants ADDRESS PORT` is a web page with a WebSocket, `application.ts payroll ADDRESS PORT` a line
 * protocol whose server speaks first, as SSH and SMTP do. They know nothing of the gate but the headers it sets.
 */
// The demo holds our standard input; when it is gone, however it ended, so are we.
process.stdin.on('end', () => process.exit(0)).resume();

const [kind, address = '127.0.0.1', port = '0'] = process.argv.slice(2);

const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 63};`);

function startGrants(): void {
  const server = createServer((request, response) => {
    const seen = {
      application: 'grants',
      address,
      user: request.headers['postern-user'],
      device: request.headers['postern-device'],
      flow: request.headers['postern-flow-id'],
    };
    if (request.headers.accept?.includes('text/html') !== true) {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(seen)}\n`);
      return;
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><meta charset="utf-8"><title>Grants</title>
<style>body{font:1.1rem system-ui;max-width:40rem;margin:4rem auto}td{padding:.2rem 1rem .2rem 0}</style>
<h1>School lunch grants</h1><p>You reached this page through the gate. It vouched for you:</p>
<table>${Object.entries(seen)
      .map(([name, value]) => `<tr><td>${name}<td>${escapeHtml(String(value))}`)
      .join('')}</table>
<p>WebSocket: <b id="s">connecting</b></p>
<script>const w=new WebSocket(location.origin.replace('http','ws')+'/live');w.onmessage=e=>s.textContent=e.data;
w.onclose=()=>s.textContent='cut'</script>`);
  });
  const sockets = new WebSocketServer({ server, path: '/live' });
  sockets.on('connection', (socket) => {
    const tick = setInterval(() => socket.send(`grants says ${new Date().toISOString()}`), 1000);
    socket.send('grants is live');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', () => clearInterval(tick));
    socket.on('error', () => clearInterval(tick));
  });
  server.listen(Number(port), address, () => console.log('ready'));
}

function startPayroll(): void {
  createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('220 payroll ready\r\n');
    socket.on('data', (line) => socket.write(`payroll heard ${line.toString()}`));
  }).listen(Number(port), address, () => console.log('ready'));
}

if (kind === 'grants') startGrants();
else if (kind === 'payroll') startPayroll();
else throw new TypeError('usage: application.ts grants|payroll ADDRESS PORT');
