import { STATUS_CODES } from 'node:http';
import type { Refusal } from '../../contract/refusals.ts';
import type { Exchange } from '../exchange.ts';
import type { Gateway } from '../gateway.ts';
import type { Http1Connection } from '../http1/http1-exchange.ts';
import { answerRefusal } from './refusal-answer.ts';

/**
 * What could not be read as an HTTP/1.1 request: recorded, and then answered as bytes, since there is no request to answer.
 * Nothing of what came is repeated, neither to the client nor in the record.
 */
export function answerMalformed(
  gateway: Gateway,
  { connection, tunnel, scheme, socket }: Http1Connection,
  refusal: Refusal,
  send: (head: string, body: Buffer) => void,
): void {
  const unread = {
    connection,
    tunnel,
    scheme,
    httpVersion: '1.1',
    method: '',
    target: '',
    authority: undefined,
    rawHeaders: [],
  } as unknown as Exchange;
  const flow = gateway.record.begin(unread);
  flow.subject = connection.session?.subject;
  const answer = answerRefusal(refusal, flow.id, { accept: undefined, acceptLanguage: undefined });
  flow.status = answer.status;
  flow.bytesOut = answer.body.length;
  gateway.record.request(flow, 'gateway', refusal);
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\nconnection: close\r\n`;
  for (let index = 0; index + 1 < answer.headers.length; index += 2)
    head += `${answer.headers[index]}: ${answer.headers[index + 1]}\r\n`;
  const end = (): void => void socket.destroy();
  gateway.record.afterSynced(() => send(`${head}\r\n`, answer.body), end);
}
