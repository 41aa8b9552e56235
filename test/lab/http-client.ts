import type { Duplex } from 'node:stream';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly trailers: Record<string, string>;
  readonly informational: readonly number[];
  /** The connection closed with or before the end of the answer. */
  readonly closed: boolean;
}

function parseFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

/** Tries to read one whole answer from what arrived. */
function parseAnswer(text: string, method: string, ended: boolean): RawAnswer | undefined {
  const informational: number[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    const [statusLine = '', ...lines] = rest.slice(0, end).split('\r\n');
    const status = Number(statusLine.split(' ')[1]);
    const headers = parseFields(lines);
    rest = rest.slice(end + 4);
    if (status < 200 && status !== 101) {
      informational.push(status);
      continue;
    }
    const answer = { status, headers, trailers: {}, informational, closed: ended };
    if (method === 'HEAD' || status === 204 || status === 304 || status === 101)
      return { ...answer, body: '' };
    if (headers['transfer-encoding'] === 'chunked') {
      let body = '';
      for (;;) {
        const line = rest.indexOf('\r\n');
        if (line === -1) return undefined;
        const size = Number.parseInt(rest.slice(0, line), 16);
        rest = rest.slice(line + 2);
        if (size === 0) {
          if (rest.startsWith('\r\n')) return { ...answer, body };
          const fields = rest.indexOf('\r\n\r\n');
          return fields === -1
            ? undefined
            : { ...answer, body, trailers: parseFields(rest.slice(0, fields).split('\r\n')) };
        }
        if (rest.length < size + 2) return undefined;
        body += rest.slice(0, size);
        rest = rest.slice(size + 2);
      }
    }
    if (headers['content-length'] !== undefined) {
      const length = Number(headers['content-length']);
      return rest.length < length ? undefined : { ...answer, body: rest.slice(0, length) };
    }
    return ended ? { ...answer, body: rest } : undefined;
  }
}

/** Sends bytes exactly as given and reads one answer: no library in between that would mend either. */
export function httpOn(
  socket: Duplex,
  bytes: string | Buffer,
  options: { readonly method?: string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const stop = (): void => {
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('close', onEnd);
    };
    const look = (ended: boolean): void => {
      const answer = parseAnswer(text, options.method ?? 'GET', ended);
      if (answer !== undefined) {
        stop();
        resolve(answer);
      } else if (ended) {
        stop();
        reject(new Error(`closed after ${JSON.stringify(text.slice(0, 300))}`));
      }
    };
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      look(false);
    };
    const onEnd = (): void => look(true);
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.write(bytes);
  });
}
