import { createSocket } from 'node:dgram';

/**
 * A DNS server of one zone. Arguments: address, port, then `name=address` for each A record. Other names do not exist.
 * Tells over the channel that it listens, and ends with it.
 */
const [address = '127.0.0.1', port = '53', ...records] = process.argv.slice(2);
const zone = new Map(records.map((record) => record.split('=') as [string, string]));
const socket = createSocket('udp4');
socket.on('message', (query, { address: from, port: fromPort }) => {
  const { name, end, type } = readQuestion(query);
  const found = zone.get(name);
  const answers = found !== undefined && type === 1 ? [found] : [];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(found === undefined ? 0x8583 : 0x8580, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  const records_ = answers.map((text) => {
    const record = Buffer.alloc(16);
    // A pointer to the name in the question; type A, class IN, 60 s, four bytes.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(1, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(60, 6);
    record.writeUInt16BE(4, 10);
    Buffer.from(text.split('.').map(Number)).copy(record, 12);
    return record;
  });
  socket.send(Buffer.concat([header, query.subarray(12, end), ...records_]), fromPort, from);
});
socket.bind(Number(port), address, () => process.send?.({ port: socket.address().port }));
process.once('disconnect', () => process.exit(0));

/** RFC 1035, section 4.1.2. */
function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}
