import type { Readable } from 'node:stream';

const lineFeed = 0x0a;
/** More than the longest record, and all that is held of one line. */
const mostLineBytes = 4 * 1024 * 1024;

/** The lines of a stream, read no faster than they are taken. @throws RangeError for one that is longer than any can be */
export async function* linesOf(stream: Readable): AsyncIterable<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    let data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let end = data.indexOf(lineFeed); end !== -1; end = data.indexOf(lineFeed)) {
      yield data.toString('utf8', 0, end);
      data = data.subarray(end + 1);
    }
    if (data.length > mostLineBytes) throw new RangeError('a line is longer than any can be');
    rest = Buffer.from(data);
  }
}
